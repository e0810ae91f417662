"""The Transformer (Vaswani et al. 2017, arXiv 1706.03762)."""

from typing import Any

from keras import ops

from t2t_mm.layers.beam_index import identity_paths, reorder_paths
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body, State
from t2t_mm.models.transformer.decoder import Decoder
from t2t_mm.models.transformer.encoder import Encoder
from t2t_mm.models.transformer.hparams import TransformerHparams


class Transformer(Body):
    """Encoder and decoder of attention and feed-forward layers."""

    def __init__(self, hparams: TransformerHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams
        self.longest = hparams.max_positions if hparams.positions == "learned" else None
        self.encoder = Encoder(hparams, name="encoder")
        self.decoder = Decoder(hparams, name="decoder")

    def build(self, width: int) -> None:
        self.encoder.build(width)
        self.decoder.build(width)

    def encode(self, source: Seq, forward: Forward) -> Seq:
        return source.with_values(forward.once(self._encode, source.values_BLD, source.real_BL))

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        tensors = memory.values_BLD, memory.real_BL, target.values_BLD
        return target.with_values(forward.once(self._decode, *tensors))

    def _encode(self, x_BSD: Any, real_BS: Any, forward: Forward) -> Any:
        return self.encoder(Seq(x_BSD, real_BS), forward).values_BLD

    def _decode(self, memory_BSD: Any, real_BS: Any, x_BLD: Any, forward: Forward) -> Any:
        return self.decoder(x_BLD, Seq(memory_BSD, real_BS), forward)

    def start(self, memory: Seq, positions: int) -> State:
        return self.start_beams(memory, positions, 1)

    def start_beams(self, memory: Seq, positions: int, beams: int) -> State:
        state = {"position": ops.zeros((), "int32"), "layers": self.decoder.start(memory, positions, beams)}
        if beams > 1:
            state["paths"] = identity_paths(ops.shape(memory.values_BLD)[0], beams, positions)
        return state

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        position = state["position"]
        y_RD, layers = self.decoder.step(state["layers"], x_B1D[:, 0], position, state.get("paths"))
        return y_RD[:, None], {**state, "position": position + 1, "layers": layers}

    def select(self, state: State, rows_B: Any) -> State:
        if "paths" not in state:  # one beam: each row continues itself
            return state
        return {**state, "paths": reorder_paths(state["paths"], rows_B, state["position"])}
