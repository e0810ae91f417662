"""Going on with texts that are begun: language models continue what a person wrote.

R rows, T positions, V symbols, D channels.
"""

from typing import Any

from keras import ops

from t2t_mm.data.vocabulary import PAD


class ForcedPrefix:
    """A Net that is certain of the ids that each row begins with, and goes on from there as it would.

    Every search through it writes these ids first, each with probability 1, so that rows of one batch may have
    beginnings of different lengths: Tensor2Tensor's partial targets.
    """

    def __init__(self, net: Any, begun_RT: Any) -> None:
        """`begun_RT` is int32, PAD where a row is free. Of beams, those of one example begin alike."""
        self._net, self._begun_RT = net, begun_RT

    def start(self, problem: str, memory: Any, positions: int) -> Any:
        """As `Net.start`; `step` and the others too."""
        return _at_first(self._net.start(problem, memory, positions))

    def start_beams(self, problem: str, memory: Any, positions: int, beams: int) -> Any:
        return _at_first(self._net.start_beams(problem, memory, positions, beams))

    def select(self, problem: str, state: Any, rows_R: Any) -> Any:
        return {**state, "own": self._net.select(problem, state["own"], rows_R)}

    def embed(self, problem: str, ids_R1: Any) -> Any:
        return self._net.embed(problem, ids_R1)

    def step(self, problem: str, state: Any, x_R1D: Any) -> tuple[Any, Any]:
        logits_RV, own = self._net.step(problem, state["own"], x_R1D)
        id_R1 = ops.take(self._begun_RT, state["position"], axis=1)[:, None]
        certain_RV = ops.where(ops.arange(logits_RV.shape[-1], dtype="int32") == id_R1, 0.0, -float("inf"))
        logits_RV = ops.where(id_R1 == PAD, ops.cast(logits_RV, "float32"), certain_RV)
        return logits_RV, {"position": state["position"] + 1, "own": own}


def _at_first(own: Any) -> Any:
    return {"position": ops.zeros((), "int32"), "own": own}
