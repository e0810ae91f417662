"""The attentive reader (Hermann et al. 2015, arXiv 1506.03340, section 3.2), with the norms of arXiv 1603.09025.

B examples, L words of text, D units, W = D or, read both ways, 2 D.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.lstm import Lstm, last_real, reversed_real
from t2t_mm.layers.sequence import Seq
from t2t_mm.layers.step_norm import StepNorm
from t2t_mm.models.bn_lstm.hparams import BnLstmHparams

NEVER = -1e9  # the score of a pad
TERMS = ("document", "question", "found", "asked")  # inputs of the tanh: the first two of m(t), the last two of g


class SequenceReader(Layer):
    """An LSTM from left to right and, with `bidirectional`, another from right to left over the real positions."""

    def __init__(self, hparams: BnLstmHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.forth = make_lstm(hparams, "forth")
        self.back = make_lstm(hparams, "back") if hparams.bidirectional else None

    def build(self, width: int, problems: Sequence[str]) -> None:
        for lstm in (self.forth, self.back):
            if lstm is not None:
                lstm.build(width, problems)

    def call(self, x: Seq, forward: Forward) -> tuple[Any, Any]:
        """Return (float[B, L, W], the outputs at each word; float[B, W], the outputs at the last word of each LSTM)."""
        y_BLD = self.forth(x.values_BLD, x.real_BL, forward)
        end_BD = last_real(y_BLD, x.real_BL)
        if self.back is None:
            return y_BLD, end_BD
        back_BLD = self.back(reversed_real(x.values_BLD, x.real_BL), x.real_BL, forward)
        both_BLW = ops.concatenate([y_BLD, reversed_real(back_BLD, x.real_BL)], axis=-1)
        return both_BLW, ops.concatenate([end_BD, last_real(back_BLD, x.real_BL)], axis=-1)


class AttentiveReader(Layer):
    """m(t) = tanh(W_ym y_d(t) + W_um u),  s = softmax(w_ms m),  r = sum s(t) y_d(t),  g = tanh(W_rg r + W_ug u).

    y_d are the outputs of the LSTM at the words of the text, u its output after the question. With `attention_norm`
    each of the four terms is normalised: the terms of words by one mean and variance over all words, the terms of
    questions over the rows. Both tanh have a bias, which starts at 0.
    """

    def __init__(self, hparams: BnLstmHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.hparams = hparams
        self.document = SequenceReader(hparams, name="document")
        self.question = SequenceReader(hparams, name="question")
        gamma, rate = hparams.initial_gamma, hparams.statistics_rate
        self.norms = {
            term: StepNorm(gamma=gamma, steps=1, rate=rate, shifted=False, name=f"{term}_norm")
            for term in (TERMS if hparams.batch_norm and hparams.attention_norm else ())
        }

    def build(self, width: int, problems: Sequence[str]) -> None:
        for layer in (self.document, self.question, *self.norms.values()):
            layer.build(width, problems)
        wide = width * (2 if self.hparams.bidirectional else 1)
        self.weights_WD = {
            term: self.add_weight(shape=(wide, width), initializer="orthogonal", name=f"{term}_weight")
            for term in TERMS
        }
        self.score_D1 = self.add_weight(shape=(width, 1), initializer="orthogonal", name="score")
        self.seen_shift_D, self.known_shift_D = (
            self.add_weight(shape=(width,), initializer="zeros", autocast=False, name=name)
            for name in ("seen_shift", "known_shift")
        )

    def call(self, source: Seq, question: Seq, forward: Forward) -> Seq:
        """Return g, Seq[B, 1, D], from a text Seq[B, L, D] and the question about it."""
        words_BLW, _ = self.document(source, forward)
        _, question_BW = self.question(question, forward)
        real_BL, real_B = source.real_BL, ops.any(source.real_BL, axis=1)
        from_question_BD = self._term("question", question_BW, real_B, forward)
        seen_BLD = ops.tanh(
            self._term("document", words_BLW, real_BL, forward) + from_question_BD[:, None] + self.seen_shift_D.value
        )
        score_BL = ops.cast(ops.matmul(ops.cast(seen_BLD, words_BLW.dtype), self.score_D1)[..., 0], "float32")
        share_BL = ops.softmax(ops.where(real_BL, score_BL, NEVER), axis=-1)
        if forward.watched is not None:
            forward.watched.attention[self.path] = share_BL[:, None]
        context_BW = ops.matmul(ops.cast(share_BL, words_BLW.dtype)[:, None], words_BLW)[:, 0]
        known_BD = ops.tanh(
            self._term("found", context_BW, real_B, forward)
            + self._term("asked", question_BW, real_B, forward)
            + self.known_shift_D.value
        )
        return Seq(ops.cast(known_BD, words_BLW.dtype)[:, None], real_B[:, None])

    def _term(self, term: str, x: Any, real: Any, forward: Forward) -> Any:
        """Return one term of a tanh, float32[..., D]."""
        y = ops.cast(ops.matmul(x, self.weights_WD[term]), "float32")
        return self.norms[term].normalise_all_steps(y, real, forward) if term in self.norms else y


def make_lstm(hparams: BnLstmHparams, name: str) -> Lstm:
    """Return an LSTM layer with these hparams."""
    return Lstm(
        hparams.hidden_size,
        batch_norm=hparams.batch_norm,
        gamma=hparams.initial_gamma,
        recurrent_start=hparams.recurrent_start,
        input_statistics=hparams.input_statistics,
        steps=hparams.statistics_steps,
        rate=hparams.statistics_rate,
        noise=hparams.initial_state_noise,
        name=name,
    )
