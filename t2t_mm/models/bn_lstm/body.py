"""LSTMs with and without recurrent batch normalisation (Cooijmans et al. 2016, arXiv 1603.09025).

B examples, L positions, D channels and units.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.lstm import last_real
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.models.bn_lstm.attentive import AttentiveReader, make_lstm
from t2t_mm.models.bn_lstm.hparams import BnLstmHparams
from t2t_mm.models.body import Body, State

NO_READER = "Texts with a question need the attentive reader: set attentive=true."
NO_ENCODER = "Inputs need an encoder, but encoder_layers is 0: set encoder_layers=1 or more."
NO_DECODER = "Text as targets needs a decoder, but decoder_layers is 0: set decoder_layers=1 or more."
DECODED = ("text",)  # modalities of targets that are decoded position by position


class Stack(Layer):
    """A stack of LSTM layers: each reads the outputs of the one below."""

    def __init__(self, layers: int, hparams: BnLstmHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.stack = [make_lstm(hparams, f"layer_{i}") for i in range(1, layers + 1)]

    def build(self, width: int, problems: Sequence[str]) -> None:
        for layer in self.stack:
            layer.build(width, problems)

    def call(self, x: Seq, forward: Forward, start_BD: Any = None) -> Seq:
        """Return Seq[B, L, D] from Seq[B, L, D]. `start_BD`, if not None, is added to the h_0 of every layer."""
        for layer in self.stack:
            x = x.with_values(layer(x.values_BLD, x.real_BL, forward, start_BD))
        return x

    def first(self, rows: Any, start_BD: Any) -> list[Any]:
        return [layer.initial_state(rows, start_BD) for layer in self.stack]

    def step(self, states: list[Any], x_BD: Any, position: Any, problem: str) -> tuple[Any, list[Any]]:
        """Return (output float[B, D], next states) for one position."""
        next_states = []
        for layer, state in zip(self.stack, states, strict=True):
            x_BD, state = layer.step(state, x_BD, position, problem)
            next_states.append(state)
        return x_BD, next_states


class BnLstm(Body):
    """One stack of LSTMs is the encoder, another the decoder.

    A class is predicted from the encoder's last state. The decoder's h_0 is a learned vector plus the last vector of
    the memory: a summary of the source, or the zero vector if there is no source and no encoder. A text with a question
    is read by the attentive reader, whose memory is one vector.
    """

    per_problem = True
    modality_nets = {"label": "label_last", "scan": "scan_plain", "passage": "passage_asked"}

    def __init__(self, hparams: BnLstmHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams
        self.encoder = Stack(hparams.encoder_layers, hparams, name="encoder")
        self.decoder = Stack(hparams.decoder_layers, hparams, name="decoder")
        self.reader = AttentiveReader(hparams, name="reader") if hparams.attentive else None

    def build(self, width: int) -> None:
        self.encoder.build(width, self.problems)
        self.decoder.build(width, self.problems)
        if self.reader is not None:
            self.reader.build(width, self.problems)

    def lacks(self, signature: Signature) -> str:
        if signature.inputs is not None and signature.inputs.modality == "passage":
            if self.reader is None:
                return NO_READER
        elif signature.inputs is not None and not self.hparams.encoder_layers:
            return NO_ENCODER
        if signature.targets.modality in DECODED and not self.hparams.decoder_layers:
            return NO_DECODER
        return ""

    def encode(self, source: Seq, forward: Forward) -> Seq:
        if source.query is not None:
            if self.reader is None:
                raise UserError(NO_READER)
            return self.reader(source, source.query, forward)
        memory = self.encoder(source, forward)
        return memory.with_values(zero_pads(memory.values_BLD, memory.real_BL))

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        self._check_decoder()
        return self.decoder(target, forward, last_real(memory.values_BLD, memory.real_BL))

    def start(self, memory: Seq, positions: int) -> State:
        self._check_decoder()
        start_BD = last_real(memory.values_BLD, memory.real_BL)
        return {"position": ops.zeros((), "int32"), "layers": self.decoder.first(ops.shape(start_BD)[0], start_BD)}

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        position = state["position"]
        y_BD, layers = self.decoder.step(state["layers"], x_B1D[:, 0], position, self.problem)
        return y_BD[:, None], {"position": position + 1, "layers": layers}

    def select(self, state: State, rows_B: Any) -> State:
        layers = [tuple(ops.take(x_BD, rows_B, axis=0) for x_BD in layer) for layer in state["layers"]]
        return {**state, "layers": layers}

    def _check_decoder(self) -> None:
        if not self.hparams.decoder_layers:
            raise UserError(NO_DECODER)
