"""Input nets of a text with a question about it.

B examples, L words of text, Q words of question, M = Q + L, D channels, V words in the vocabulary.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import InputNet, Tensors
from t2t_mm.modalities.text import Table


class Passage(InputNet):
    """{"ids": int32[B, L], "lengths", "question": int32[B, Q], "question_lengths"}: the question, then the text.

    One sequence, so any body can read it. Embeddings are scaled by sqrt(D), as those of text.
    """

    def build(self) -> None:
        self.embed = Table(name="embed")
        self.embed.build((self.port.size, self.hidden_size))

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Return Seq[B, Q + L, D]: each text directly behind its question, pads at the end."""
        question_length_B1 = arrays["question_lengths"][:, None]
        question_width = ops.shape(arrays["question"])[1]
        padded_BM = ops.concatenate([arrays["question"], arrays["ids"]], axis=1)
        position_1M = ops.arange(ops.shape(padded_BM)[1])[None]
        source_BM = ops.where(
            position_1M < question_length_B1, position_1M, position_1M - question_length_B1 + question_width
        )
        source_BM = ops.minimum(source_BM, ops.shape(padded_BM)[1] - 1)
        ids_BM = ops.take_along_axis(padded_BM, source_BM, axis=1)
        return self.words(ids_BM, arrays["question_lengths"] + arrays["lengths"], forward)

    def words(self, ids_BL: Any, lengths_B: Any, forward: Forward) -> Seq:
        """Return the embedded ids; a pad becomes the zero vector."""
        real_BL = ops.arange(ops.shape(ids_BL)[1])[None, :] < lengths_B[:, None]
        vectors_BLD = self.embed(ids_BL) * self.hidden_size**0.5
        return Seq(zero_pads(ops.cast(vectors_BLD, forward.dtype), real_BL), real_BL)


class PassageAsked(Passage):
    """The text as Seq[B, L, D] whose `query` is the question, for a body that reads the two apart."""

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        document = self.words(arrays["ids"], arrays["lengths"], forward)
        question = self.words(arrays["question"], arrays["question_lengths"], forward)
        return Seq(document.values_BLD, document.real_BL, query=question)
