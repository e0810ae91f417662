"""Forced prefixes: language models continue a text that a person began.

R rows, T positions, V symbols, D channels.
"""

from typing import Any

from keras import ops

from t2t_mm.data.vocabulary import PAD


class ForcedPrefix:
    """A wrapper of a Net that gives the ids of each row's prefix probability 1, and then follows the Net.

    Every search or sampling through it writes these ids first. Rows of one batch may have prefixes of different
    lengths. Tensor2Tensor calls this partial targets.
    """

    def __init__(self, net: Any, prefix_RT: Any) -> None:
        """`prefix_RT` is int32, PAD after a row's prefix. All beams of one example have the same prefix."""
        self._net, self._prefix_RT = net, prefix_RT

    def start(self, problem: str, memory: Any, positions: int) -> Any:
        """Return what `Net.start` returns, with the position. The other methods wrap those of Net likewise."""
        return _at_position_0(self._net.start(problem, memory, positions))

    def start_beams(self, problem: str, memory: Any, positions: int, beams: int) -> Any:
        return _at_position_0(self._net.start_beams(problem, memory, positions, beams))

    def select(self, problem: str, state: Any, rows_R: Any) -> Any:
        return {**state, "own": self._net.select(problem, state["own"], rows_R)}

    def embed(self, problem: str, ids_R1: Any) -> Any:
        return self._net.embed(problem, ids_R1)

    def step(self, problem: str, state: Any, x_R1D: Any) -> tuple[Any, Any]:
        logits_RV, own = self._net.step(problem, state["own"], x_R1D)
        id_R1 = ops.take(self._prefix_RT, state["position"], axis=1)[:, None]
        forced_RV = ops.where(ops.arange(logits_RV.shape[-1], dtype="int32") == id_R1, 0.0, -float("inf"))
        logits_RV = ops.where(id_R1 == PAD, ops.cast(logits_RV, "float32"), forced_RV)
        return logits_RV, {"position": state["position"] + 1, "own": own}


def _at_position_0(own: Any) -> Any:
    return {"position": ops.zeros((), "int32"), "own": own}
