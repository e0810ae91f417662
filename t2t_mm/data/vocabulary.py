"""Text to ids and back, exactly: a SentencePiece unigram model (Kudo 2018, arXiv 1804.10959) without normalisation."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import whole_file
from t2t_mm.errors import UserError

PAD, EOS, UNK = 0, 1, 2
SIZE = 8192  # pieces of a vocabulary, unless the text is too small for them
LONGEST_LINE = 1000  # characters of a line that training reads; SentencePiece leaves out what is over 4,192 bytes
THREADS = 2  # fixed: in training the order of sums, and with it the model's bytes, depends on it
SPACE_MARK = "\u2581"  # what SentencePiece writes for a blank


class Vocabulary:
    """Pieces with ids: pad 0, end of sequence 1, unknown 2, the 256 bytes, whole symbols, then subwords.

    `decode(encode(line)) == line` for every line of text, however odd: no normalisation, blanks kept as they are, and
    characters that are not in the vocabulary are spelt in bytes.
    """

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.fingerprint = hashlib.sha256(model).hexdigest()  # that of the file, too
        self.size: int = self._pieces.get_piece_size()

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read a vocabulary. Raises UserError when there is none at `path`, or when the file is something else."""
        try:
            model = path.read_bytes()
            if not model:  # which SentencePiece takes for "none yet"
                raise RuntimeError("empty")
            return _opened(model)
        except FileNotFoundError:
            raise UserError(f"No vocabulary at {path}; t2t-mm-datagen makes it.") from None
        except OSError as error:
            raise UserError(f"{path} can't be read: {error.strerror}.") from None
        except RuntimeError:
            raise UserError(f"{path} is no SentencePiece model; remove it and generate the data again.") from None

    @classmethod
    def train(cls, path: Path, texts: Iterable[str], size: int = SIZE, symbols: Sequence[str] = ()) -> "Vocabulary":
        """Make a vocabulary of at most `size` pieces from `texts` and write it to `path`; fewer when they are short.

        Equal texts, size and symbols give an equal file, and no path of this machine gets into it. Raises UserError
        when there is no text, or `size` is too small for the bytes, symbols and characters.
        """
        import sentencepiece

        # The blank in front makes a word at the beginning of a line the same piece as elsewhere (see `encode`).
        lines = [" " + text[:LONGEST_LINE] for text in texts if text.strip()]
        if not lines:
            raise UserError(f"There is no text to make the vocabulary {path} from: every sample is empty.")
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
                f"The vocabulary {path} can't be made: {size} pieces may be too few for 256 bytes, {len(symbols)} "
                f"symbols and the characters of the text. SentencePiece says: {str(error).strip()}"
            ) from None
        with whole_file(path) as partial:
            partial.write_bytes(model.getvalue())
        return cls(model.getvalue())

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without an end of sequence."""
        first, *rest = _parted(text)
        ids: list[int] = self._pieces.encode(first)
        return self._joined(ids, rest)

    def encode_all(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of each text and an end of sequence, int32[L], by several threads."""
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
        """SentencePiece would start new ones for every call, which costs as much as what they do."""
        import sentencepiece

        return sentencepiece.ThreadPool(THREADS)

    def _joined(self, ids: list[int], rest: list[str]) -> list[int]:
        for part in rest:
            ids += self._mark + self._pieces.encode(part)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text that `ids` spell. Ids that begin in the middle of a word are no error."""
        text: str = self._pieces.decode([int(id) for id in ids])
        return text.removeprefix(" ")

    def characters(self, text: str) -> list[tuple[int, int]]:
        """The characters of `text`, first and behind the last, that each of `encode(text)` spells.

        A character that is spelt in several bytes belongs to the id of each; the blank in front of the text to none.
        """
        owner = [place for place, character in enumerate(" " + text) for _ in character.encode()]
        found, begin = [], 0
        for id in self.encode(text):
            end = begin + (1 if id in self._byte_ids else self._bytes(id))
            found.append((max(owner[begin] - 1, 0), owner[end - 1]))
            begin = end
        return found

    def whole(self, symbol: str) -> bool:
        """Whether `symbol` is one piece, as the labels of trees should be."""
        return bool(self._pieces.piece_to_id(symbol) != UNK)

    def bytes_and_unknown(self, ids: Iterable[int]) -> tuple[int, int]:
        """How many of `ids` spell single bytes, and how many are unknown."""
        ids = list(ids)
        return sum(id in self._byte_ids for id in ids), sum(id == UNK for id in ids)

    def _bytes(self, id: int) -> int:
        """How many bytes a piece spells."""
        return len(self._pieces.id_to_piece(id).replace(SPACE_MARK, " ").encode())

    @cached_property
    def _mark(self) -> list[int]:
        return [self._pieces.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE_MARK.encode()]

    @cached_property
    def _byte_ids(self) -> frozenset[int]:
        return frozenset(id for id in range(self.size) if self._pieces.is_byte(id))


def _parted(text: str) -> list[str]:
    """The text, behind a blank, where it holds the mark: as a piece it would come back as a blank, so it is spelt."""
    return (" " + text).split(SPACE_MARK)


@lru_cache(4)
def _opened(model: bytes) -> Vocabulary:
    """The vocabulary of a file, opened once for all features and problems that stand on it: nothing changes it."""
    return Vocabulary(model)
