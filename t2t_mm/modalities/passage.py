"""A text with a question about it. B examples, L words of text, Q words of question, D channels, V words known."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way
from t2t_mm.modalities.text import Table


class Passage(Modality):
    """{"ids": int32[B, L], "lengths", "question": int32[B, Q], "question_lengths"}: the question, then the text.

    So any body can read it. Embeddings are scaled by sqrt(D), as those of text.
    """

    autoregressive = False

    def build(self) -> None:
        self.embed = Table(name="embed")
        self.embed.build((self.port.size, self.hidden_size))

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """To Seq[B, Q + L, D], pads behind."""
        asked_B1 = arrays["question_lengths"][:, None]
        most = ops.shape(arrays["question"])[1]
        together_BM = ops.concatenate([arrays["question"], arrays["ids"]], axis=1)
        place_1M = ops.arange(ops.shape(together_BM)[1])[None]
        source_BM = ops.where(place_1M < asked_B1, place_1M, place_1M - asked_B1 + most)
        source_BM = ops.minimum(source_BM, ops.shape(together_BM)[1] - 1)
        ids_BM = ops.take_along_axis(together_BM, source_BM, axis=1)
        return self.words(ids_BM, arrays["question_lengths"] + arrays["lengths"], forward)

    def words(self, ids_BL: Any, lengths_B: Any, forward: Forward) -> Seq:
        """Ids to vectors; a pad becomes the zero vector."""
        real_BL = ops.arange(ops.shape(ids_BL)[1])[None, :] < lengths_B[:, None]
        vectors_BLD = self.embed(ids_BL) * self.hidden_size**0.5
        return Seq(zero_pads(ops.cast(vectors_BLD, forward.dtype), real_BL), real_BL)

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "targets")

    def top(self, body: Seq) -> Any:
        raise one_way(self, "targets")

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        raise one_way(self, "targets")

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        raise one_way(self, "targets")


class PassageAsked(Passage):
    """The text as Seq[B, L, D] whose `query` is the question, for a body that reads one in the light of the other."""

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        document = self.words(arrays["ids"], arrays["lengths"], forward)
        question = self.words(arrays["question"], arrays["question_lengths"], forward)
        return Seq(document.values_BLD, document.real_BL, query=question)
