"""Raw values in, text out: what a trained net makes of any number of inputs, in batches of few shapes.

B rows, K beams or samples, T positions, C classes.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from t2t_mm.data.vocabulary import EOS, PAD
from t2t_mm.decoding.answers import Answer, Decoded, DecodeOptions, Failure, Result
from t2t_mm.decoding.programs import Programs
from t2t_mm.decoding.sampling import keys
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.feature import Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.models.net import Net

STRIDE = 32  # outputs get room in multiples of it, sources in powers of two from it on: every shape is compiled
ROOM = 1.25  # an output may have so many times the ids that training targets had, for a source of its length
NOT_FINITE = "The model's probabilities are not finite numbers; its weights may be spoilt."


@dataclass(frozen=True)
class Item:
    """One input, ready for a batch."""

    stored: bytes
    length: int
    source: Any  # text as it came, or several: answers take words from it; None: a picture would only fill memory
    place: int  # among the inputs: what is drawn for it depends on this


class Decoder:
    """A net with the codecs of its problems. What it compiled stays for later calls, so one Decoder serves them all."""

    def __init__(
        self,
        net: Net,
        codecs: Mapping[str, Mapping[str, Codec]],
        hparams: DataHparams,
        target_ratios: Mapping[str, float],
    ) -> None:
        """
        Args:
            codecs: by problem, then by feature.
            hparams: those of the training: the size of pictures, the longest text.
            target_ratios: by problem, the summed length of its training targets over that of its training inputs.
        """
        self.net, self.codecs, self.hparams, self.target_ratios = net, codecs, hparams, target_ratios
        self._programs = Programs(net, hparams)

    def decode(
        self,
        problem: str,
        values: Sequence[Any],
        options: DecodeOptions | None = None,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[Result]:
        """Answer each of `values`, in their order.

        An answer does not depend on the other values, but for the last digits of its score; a sample depends on the
        place of its value among them. A value that can't be decoded (an unreadable picture, an empty line, a text
        longer than the longest of training) becomes a Failure with the reason.

        Args:
            values: raw inputs of `problem`, as its source yields them: a line of text, the bytes of a picture. Of a
                problem that `continues`, texts to go on with, "" for one from nothing; answers begin with them.
            report: called after each batch with the number of values that are done.

        Raises:
            UserError: a problem that the net does not have, or that neither reads an input nor writes a text.
        """
        self.source_codec(problem)
        results: dict[int, Result] = {}
        items = []
        for place, value in enumerate(values):
            try:
                items.append(self.item(problem, value, place))
            except UserError as error:
                results[place] = Failure(str(error))
        failed = len(results)
        answered = self.answer(problem, items, options, lambda done: report(failed + done))
        results |= {item.place: result for item, result in zip(items, answered, strict=True)}
        return [results[place] for place in range(len(values))]

    def item(self, problem: str, value: Any, place: int) -> Item:
        """A raw input of `problem`, ready for `answer`. Raises UserError for one that can't be decoded."""
        codec, continues = self.source_codec(problem), self.continues(problem)
        text = value if isinstance(value, str | tuple) else None
        if isinstance(text, str) and not text.strip() and not continues:
            raise UserError("There is nothing in it.")
        stored = codec.store_beginning(value) if continues else codec.store(value)
        remedy = "Give its end alone." if continues else "Cut it into pieces."
        whole, longest = codec.length(stored), codec.longest(self.hparams)
        length = codec.read_length(whole, self.hparams)
        if length < whole and self.net.generates(problem):
            raise UserError(
                f"Its length is {codec.measured(whole)}, of which {codec.measured(length)} are read at once; what is "
                f"written of each part can't be joined. {remedy}"
            )
        if length > longest:
            raise UserError(
                f"Its length is {codec.measured(length)}; the model was trained on lengths up to "
                f"{codec.measured(longest)}. {remedy}"
            )
        room = self.net.longest
        if room is not None and (taken := codec.positions(length, self.hparams) + continues) > room:
            more = ", with the one that it is to go on with" if continues else ""
            raise UserError(f"It takes {taken:,} positions{more}; the model has {room:,}. {remedy}")
        return Item(stored, length, text, place)

    def answer(
        self,
        problem: str,
        items: Sequence[Item],
        options: DecodeOptions | None = None,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[Result]:
        """Answer what `item` made ready, in that order; see `decode`."""
        options = options or DecodeOptions()
        if not self.net.generates(problem):
            return self._classified(problem, items, options, report)
        results: dict[int, Result] = {}
        for batch, rows in batches([item.length for item in items], options.batch_size):
            found = self._generate(problem, [items[index] for index in batch], rows, options)
            results |= zip(batch, found, strict=True)
            report(len(results))
        return [results[index] for index in range(len(items))]

    def continues(self, problem: str) -> bool:
        """Whether the problem is a language model, which reads nothing and goes on with a text that is begun."""
        return "inputs" not in self.codecs[problem] and self.net.generates(problem)

    def source_codec(self, problem: str) -> Codec:
        """What takes in the problem's raw values: the codec of its inputs, or of its targets where it `continues`.

        Raises UserError as `decode`.
        """
        if problem not in self.codecs:
            raise UnknownName("problem of this model", problem, self.codecs)
        if "inputs" in self.codecs[problem]:
            return self.codecs[problem]["inputs"]
        if not self.continues(problem):
            raise UserError(f"The problem {problem} reads no input, so there is nothing to decode.")
        return self.codecs[problem]["targets"]

    def _generate(self, problem: str, batch: list[Item], rows: int, options: DecodeOptions) -> Iterator[Result]:
        source, targets = self.source_codec(problem), self.codecs[problem]["targets"]
        continues = self.continues(problem)

        def limit(length: int) -> int:
            expected = length if continues else math.ceil(ROOM * self.target_ratios[problem] * length)
            ids = max(length + 1 if continues else 1, expected + options.extra_length)
            return ids if self.net.longest is None else min(ids, self.net.longest)

        length = batch[0].length if continues else self._padded(source, batch[0].length)
        limits_B = np.zeros(rows, np.int32)
        limits_B[: len(batch)] = [limit(item.length) for item in batch]
        positions = -(-limit(length) // STRIDE) * STRIDE
        arrays = self._arrays(source, [item.stored for item in batch], rows, positions if continues else length)
        alpha = float(options.alpha)
        if options.sampling is None:
            found = self._programs.search(problem, source, arrays, limits_B, positions, options.beam_size, alpha)
        else:
            keys_BK2 = np.zeros((rows, options.n_best, 2), np.uint32)
            keys_BK2[: len(batch)] = keys(options.sampling.seed, [item.place for item in batch], options.n_best)
            found = self._programs.sample(
                problem, source, arrays, limits_B, keys_BK2, positions, options.sampling, alpha
            )
        ids_BKT, scores_BK = (ops.convert_to_numpy(tensor) for tensor in found)
        for row, item in enumerate(batch):
            best = [k for k in range(options.n_best) if np.isfinite(scores_BK[row, k])]
            answers = [_answer(targets, ids_BKT[row, k], item.source, float(scores_BK[row, k])) for k in best]
            yield Decoded(tuple(answers)) if answers else Failure(NOT_FINITE)

    def _classified(
        self, problem: str, items: Sequence[Item], options: DecodeOptions, report: Callable[[int], None]
    ) -> list[Result]:
        """What a head that reads the memory says of each item, of all its windows together."""
        inputs, targets = (self.codecs[problem][name] for name in ("inputs", "targets"))
        said: list[dict[int, np.ndarray]] = [{} for _ in items]  # by the place of the window
        results: dict[int, Result] = {}
        windows = [inputs.windows(item.stored, self.hparams) for item in items]
        parts = [(index, place) for index, of_item in enumerate(windows) for place in range(len(of_item))]
        lengths = [inputs.length(windows[index][place]) for index, place in parts]
        for batch, rows in batches(lengths, options.batch_size):
            stored = [windows[parts[part][0]][parts[part][1]] for part in batch]
            arrays = self._arrays(inputs, stored, rows, self._padded(inputs, lengths[batch[0]]))
            probability_BC = ops.convert_to_numpy(self._programs.classify(problem, inputs, arrays))
            for part, probability_C in zip(batch, probability_BC, strict=False):  # what is behind the batch is padding
                index, place = parts[part]
                said[index][place] = probability_C
                if len(said[index]) == len(windows[index]):
                    results[index] = self._joined(targets, said[index], items[index].source)
                    said[index] = {}
            report(len(results))
        return [results[index] for index in range(len(items))]

    def _joined(self, targets: Codec, said: Mapping[int, np.ndarray], source: Any) -> Result:
        probabilities = [said[place] for place in range(len(said))]
        if not all(np.all(np.isfinite(probability_C)) for probability_C in probabilities):
            return Failure(NOT_FINITE)
        return Decoded(tuple(Answer(*one) for one in targets.joined(probabilities, source, self.hparams)))

    def _arrays(self, codec: Codec, stored: Sequence[bytes], rows: int, length: int) -> Any:
        return codec.batch([codec.load(one, self.hparams, None) for one in stored], rows, length)

    def _padded(self, codec: Codec, length: int) -> int:
        """The length that sources of up to `length` are padded to; pictures have one shape anyway."""
        varies = any(None in spec.shape[1:] for spec in codec.spec(self.hparams).values())
        return max(STRIDE, 1 << (length - 1).bit_length()) if varies else length


def batches(lengths: Sequence[int], batch_size: int) -> Iterator[tuple[list[int], int]]:
    """Indices of like lengths together, the longest first, with the rows that they are padded to.

    That is `batch_size`, or the next power of two where there are fewer items in all: every shape is compiled.
    """
    ordered = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    rows = min(batch_size, 1 << (len(lengths) - 1).bit_length()) if lengths else 0
    for begin in range(0, len(ordered), batch_size):
        yield ordered[begin : begin + batch_size], rows


def _answer(codec: Codec, ids_T: np.ndarray, source: Any, score: float) -> Answer:
    ids = ids_T[: np.count_nonzero(ids_T != PAD)]
    whole = bool(ids.size) and int(ids[-1]) == EOS
    return Answer(codec.show(ids, source), score, whole, codec.well_formed(ids, source))
