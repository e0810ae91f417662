"""The MultiModel's body: encoder, mixer, decoder (arXiv 1706.05137, section 2.4)."""

from typing import Any

from keras import ops

from t2t_mm.layers.beam_index import identity_paths, reorder_paths
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body, State
from t2t_mm.models.multimodel.decoder import Decoder
from t2t_mm.models.multimodel.encoder import Encoder
from t2t_mm.models.multimodel.hparams import MultiModelHparams
from t2t_mm.models.multimodel.mixer import Mixer


class MultiModel(Body):
    """The body of "One Model To Learn Them All", shared by all problems."""

    expert_layers = {"encoder/experts": "experts", "decoder/experts": "decoder_experts"}

    def __init__(self, hparams: MultiModelHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams
        self.encoder = Encoder(hparams, name="encoder")
        self.mixer = Mixer(hparams, name="mixer")
        self.decoder = Decoder(hparams, name="decoder")

    def build(self, width: int) -> None:
        for layer in (self.encoder, self.mixer, self.decoder):
            layer.build(width)

    def encode(self, source: Seq, forward: Forward) -> Seq:
        return source.with_values(forward.once(self._encode, source.values_BLD, source.real_BL))

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        tensors = memory.values_BLD, memory.real_BL, target.values_BLD, target.real_BL
        return target.with_values(forward.once(self._decode, *tensors))

    def _encode(self, x_BSD: Any, real_BS: Any, forward: Forward) -> Any:
        x_BSD = dropout(x_BSD, self.hparams.input_dropout, forward, self.encoder.path)
        return self.encoder(x_BSD, real_BS, forward)

    def _decode(self, memory_BSD: Any, real_BS: Any, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        memory = Seq(memory_BSD, real_BS)
        x_BLD = dropout(x_BLD, self.hparams.input_dropout, forward, self.mixer.path)
        return self.decoder(self.mixer(x_BLD, memory, forward), real_BL, memory, forward)

    def start(self, memory: Seq, positions: int) -> State:
        return self.start_beams(memory, positions, 1)

    def start_beams(self, memory: Seq, positions: int, beams: int) -> State:
        state = {
            "position": ops.zeros((), "int32"),
            "mixer": self.mixer.start(memory, positions, beams),
            "decoder": self.decoder.start(memory, positions, beams),
        }
        if beams > 1:
            state["paths"] = identity_paths(ops.shape(memory.values_BLD)[0], beams, positions)
        return state

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        position, paths = state["position"], state.get("paths")
        x_BD, mixer = self.mixer.step(state["mixer"], x_B1D[:, 0], position, paths)
        y_BD, decoder = self.decoder.step(state["decoder"], x_BD, position, paths)
        return y_BD[:, None], {**state, "position": position + 1, "mixer": mixer, "decoder": decoder}

    def select(self, state: State, rows_B: Any) -> State:
        if "paths" not in state:  # one beam: each row continues itself
            return state
        return {**state, "paths": reorder_paths(state["paths"], rows_B, state["position"])}
