"""The Conformer (Gulati et al. 2020, arXiv 2005.08100)."""

from typing import Any, ClassVar

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body, State
from t2t_mm.models.conformer.decoder import Decoder
from t2t_mm.models.conformer.encoder import Encoder
from t2t_mm.models.conformer.hparams import ConformerHparams


class Conformer(Body):
    """Speech to text: an encoder of attention and convolution, and one of two kinds of decoding.

    With `way_out` "decoder", an LSTM that attends to the memory decodes text. With "ctc" the body has no decoder: the
    target net of text (modalities/text_ctc.py) decodes from the memory. Heads of classes read the memory in both cases.
    """

    per_problem: ClassVar[bool] = True  # statistics of batch norms
    reads = ("audio_spectral", "audio_waveform")
    writes = ("text", "label")
    modality_nets: ClassVar[dict[str, str]] = {"audio_spectral": "audio_subsampling", "text": "text_or_ctc"}

    def __init__(self, hparams: ConformerHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams
        self.encoder = Encoder(hparams, name="encoder")
        self.decoder = Decoder(hparams, name="decoder") if hparams.way_out == "decoder" else None

    def build(self, width: int) -> None:
        self.encoder.build(width, self.problems)
        if self.decoder is not None:
            self.decoder.build(width)

    def encode(self, source: Seq, forward: Forward) -> Seq:
        return self.encoder(source, forward)

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        return target.with_values(self._decoder(target, memory, forward))

    def start(self, memory: Seq, positions: int) -> State:
        return self._decoder.start(memory, 1)

    def start_beams(self, memory: Seq, positions: int, beams: int) -> State:
        return self._decoder.start(memory, beams)

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        y_RD, state = self._decoder.step(state, x_B1D[:, 0])
        return y_RD[:, None], state

    def select(self, state: State, rows_B: Any) -> State:
        return self._decoder.select(state, rows_B)

    @property
    def _decoder(self) -> Decoder:
        if self.decoder is None:
            raise TypeError("a Conformer with way_out=ctc has no decoder")
        return self.decoder
