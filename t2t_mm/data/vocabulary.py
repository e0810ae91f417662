"""A subword vocabulary that encodes and decodes text without loss.

It is a SentencePiece unigram model (Kudo 2018, arXiv 1804.10959) without normalisation.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import atomic_write
from t2t_mm.errors import UserError

PAD, EOS, UNK = 0, 1, 2
SIZE = 8192  # pieces of a vocabulary, unless the text supports fewer
LONGEST_LINE = 1000  # characters of a line used in training; SentencePiece skips lines over 4,192 bytes
THREADS = 2  # fixed: the order of sums in training, and so the model's bytes, depends on it
SPACE_MARK = "\u2581"  # SentencePiece's symbol for a blank


class Vocabulary:
    """A table of pieces with ids: pad 0, end of sequence 1, unknown 2, the 256 bytes, the symbols, then subwords.

    `decode(encode(line)) == line` for every line of text: there is no normalisation, blanks are kept, and characters
    outside the vocabulary are spelt in bytes.
    """

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.fingerprint = hashlib.sha256(model).hexdigest()  # also that of the file
        self.size: int = self._pieces.get_piece_size()

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Return the vocabulary in the file `path`.

        Raises UserError if it does not exist or is another kind of file.
        """
        try:
            model = path.read_bytes()
            if not model:  # SentencePiece would accept it as "no model yet"
                raise RuntimeError("empty")
            return _from_bytes(model)
        except FileNotFoundError:
            raise UserError(f"No vocabulary at {path}; t2t-mm-datagen makes it.") from None
        except OSError as error:
            raise UserError(f"{path} can't be read: {error.strerror}.") from None
        except RuntimeError:
            raise UserError(f"{path} is not a SentencePiece model. Remove it and generate the data again.") from None

    @classmethod
    def train(cls, path: Path, texts: Iterable[str], size: int = SIZE, symbols: Sequence[str] = ()) -> "Vocabulary":
        """Train a vocabulary of at most `size` pieces on `texts` and write it to `path`. Short texts give fewer pieces.

        Equal texts, size and symbols give an equal file, which contains no path of this machine. Raises UserError if
        there is no text, or if `size` is too small for the bytes, symbols and characters.
        """
        import sentencepiece

        # With the blank in front, a word at the beginning of a line is the same piece as elsewhere (see `encode`).
        lines = [" " + text[:LONGEST_LINE] for text in texts if text.strip()]
        if not lines:
            raise UserError(f"There is no text to train the vocabulary {path} on: every sample is empty.")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=model,
                model_type="unigram",
                vocab_size=size,
                hard_vocab_limit=False,
                user_defined_symbols=list(symbols),
                pad_id=PAD,
                eos_id=EOS,
                unk_id=UNK,
                bos_id=-1,
                byte_fallback=True,
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                num_threads=THREADS,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(
                f"The vocabulary {path} can't be trained: {size} pieces may be too few for 256 bytes, {len(symbols)} "
                f"symbols and the characters of the text. SentencePiece says: {str(error).strip()}"
            ) from None
        with atomic_write(path) as partial:
            partial.write_bytes(model.getvalue())
        return cls(model.getvalue())

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without an end of sequence."""
        first, *rest = _split_at_space_mark(text)
        ids: list[int] = self._pieces.encode(first)
        return self._append_parts(ids, rest)

    def encode_all(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the ids of each text with an end of sequence, int32[L], encoded by several threads."""
        plain = [" " + text for text in texts]
        encoded: list[np.ndarray] = self._pieces.encode(
            plain, return_type="numpy", add_eos=True, thread_pool=self._threads, num_threads=THREADS
        )
        for place, text in enumerate(texts):
            if SPACE_MARK in text:
                encoded[place] = np.array([*self.encode(text), EOS], np.int32)
        return encoded

    @cached_property
    def _threads(self) -> Any:
        """A pool of threads.

        Without it SentencePiece would start new threads in each call, which doubles the cost of the call.
        """
        import sentencepiece

        return sentencepiece.ThreadPool(THREADS)

    def _append_parts(self, ids: list[int], rest: list[str]) -> list[int]:
        for part in rest:
            ids += self._space_mark_ids + self._pieces.encode(part)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text that `ids` spell. The ids may begin in the middle of a word."""
        text: str = self._pieces.decode([int(id) for id in ids])
        return text.removeprefix(" ")

    def characters(self, text: str) -> list[tuple[int, int]]:
        """Return the characters of `text` that each id of `encode(text)` spells, as (start, end) with an exclusive end.

        A character that is spelt in several bytes belongs to the id of each byte. The blank in front of the text
        belongs to none.
        """
        owner = [place for place, character in enumerate(" " + text) for _ in character.encode()]
        ranges, begin = [], 0
        for id in self.encode(text):
            end = begin + (1 if id in self._byte_ids else self._bytes(id))
            ranges.append((max(owner[begin] - 1, 0), owner[end - 1]))
            begin = end
        return ranges

    def is_one_piece(self, symbol: str) -> bool:
        """Return True if `symbol` is one piece, as the labels of trees should be."""
        return bool(self._pieces.piece_to_id(symbol) != UNK)

    def bytes_and_unknown(self, ids: Iterable[int]) -> tuple[int, int]:
        """Return the number of `ids` that spell single bytes and the number that are unknown."""
        ids = list(ids)
        return sum(id in self._byte_ids for id in ids), sum(id == UNK for id in ids)

    def _bytes(self, id: int) -> int:
        """Return the number of bytes that a piece spells."""
        return len(self._pieces.id_to_piece(id).replace(SPACE_MARK, " ").encode())

    @cached_property
    def _space_mark_ids(self) -> list[int]:
        return [self._pieces.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE_MARK.encode()]

    @cached_property
    def _byte_ids(self) -> frozenset[int]:
        return frozenset(id for id in range(self.size) if self._pieces.is_byte(id))


def _split_at_space_mark(text: str) -> list[str]:
    """Split the text, after a blank, at the space mark.

    As a piece the mark would be decoded as a blank, so it is spelt in bytes.
    """
    return (" " + text).split(SPACE_MARK)


@lru_cache(4)
def _from_bytes(model: bytes) -> Vocabulary:
    """Return the vocabulary of a model file.

    All features and problems that use the file share this immutable object.
    """
    return Vocabulary(model)
