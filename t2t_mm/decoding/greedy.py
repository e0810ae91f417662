"""Greedy search: the likeliest id at every position."""

from typing import Any

from t2t_mm.decoding.autoregressive_loop import follow, likeliest


def greedy(net: Any, problem: str, state: Any, x_B1D: Any, limits_B: Any, positions: int) -> tuple[Any, Any]:
    """Write each row's likeliest next id, of equal ones the lowest, until it ends; arguments and results are those of
    `follow`."""
    return follow(net, problem, state, x_B1D, limits_B, positions, lambda t, log_probs_BV: likeliest(log_probs_BV))
