"""The Conformer (Gulati et al. 2020, arXiv 2005.08100)."""

from typing import Any, ClassVar

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body, State
from t2t_mm.models.conformer.decoder import Decoder
from t2t_mm.models.conformer.encoder import Encoder
from t2t_mm.models.conformer.hparams import ConformerHparams


class Conformer(Body):
    """Speech to text: an encoder of attention and convolution side by side, and two ways out of it.

    With `way_out` "decoder" an LSTM that attends to the memory writes; with "ctc" there is no decoder, and the text's
    modality net (modalities/text_ctc.py) writes from the memory itself. Heads of classes read the memory either way.
    """

    hparams_class = ConformerHparams
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
            raise TypeError("a Conformer whose way_out is 'ctc' has no decoder")
        return self.decoder
