"""The MultiModel's body: encoder, mixer, decoder (arXiv 1706.05137, section 2.4)."""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body, State
from t2t_mm.models.multimodel.decoder import Decoder
from t2t_mm.models.multimodel.encoder import Encoder
from t2t_mm.models.multimodel.hparams import MultiModelHparams
from t2t_mm.models.multimodel.mixer import Mixer


class MultiModel(Body):
    """One model to learn them all: the body that every problem shares."""

    hparams_class = MultiModelHparams

    def __init__(self, hparams: MultiModelHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams
        self.encoder = Encoder(hparams, name="encoder")
        self.mixer = Mixer(hparams, name="mixer")
        self.decoder = Decoder(hparams, name="decoder")

    def build(self, width: int) -> None:
        for part in (self.encoder, self.mixer, self.decoder):
            part.build(width)

    def encode(self, source: Seq, forward: Forward) -> Seq:
        return self.encoder(source, forward)

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        x_BLD = self.mixer(target.values_BLD, memory, forward)
        return target.with_values(self.decoder(x_BLD, target.real_BL, memory, forward))

    def start(self, memory: Seq, positions: int) -> State:
        return {
            "position": ops.zeros((), "int32"),
            "mixer": self.mixer.start(memory, positions),
            "decoder": self.decoder.start(memory, positions),
        }

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        x_BD, mixer = self.mixer.step(state["mixer"], x_B1D[:, 0], state["position"])
        y_BD, decoder = self.decoder.step(state["decoder"], x_BD, state["position"])
        return y_BD[:, None], {"position": state["position"] + 1, "mixer": mixer, "decoder": decoder}

    def select(self, state: State, rows_B: Any) -> State:
        def caches(ring_SBD: Any) -> Any:
            return ops.take(ring_SBD, rows_B, axis=1)

        def attention(held: Any) -> Any:
            if not isinstance(held, dict):  # without attention: read from the source alone
                return held
            mix = keras.tree.map_structure(caches, held["mix"])
            seen = tuple(ops.take(side, rows_B, axis=0) for side in held["self"])
            return {"memory": held["memory"], "mix": mix, "self": seen}

        mixer, decoder = state["mixer"], state["decoder"]
        return {
            "position": state["position"],
            "mixer": {
                "source": attention(mixer["source"]),
                "blocks": keras.tree.map_structure(caches, mixer["blocks"]),
            },
            "decoder": [
                {
                    "block": keras.tree.map_structure(caches, part["block"]),
                    "attention": attention(part["attention"]),
                }
                for part in decoder
            ],
        }
