"""Decoding of raw inputs to text by a trained net, in batches of few shapes.

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

# Each shape is compiled, so output lengths are rounded up to multiples of STRIDE, and source lengths to powers of two,
# at least STRIDE.
STRIDE = 32
LENGTH_RATIO = 1.25  # the limit of an output's length, as a multiple of the mean target length for such a source
NON_FINITE = "The model's probabilities are non-finite; its weights may be damaged."


@dataclass(frozen=True)
class Item:
    """One input, ready for a batch."""

    stored: bytes
    length: int
    source: Any  # the raw text, or several texts, from which answers copy words; None for other inputs, to save memory
    place: int  # its index in the inputs, on which its samples depend


class Decoder:
    """A net with the codecs of its problems. It keeps its compiled programs, so use one Decoder for many calls."""

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
            hparams: those of training, such as the image size and the longest text.
            target_ratios: by problem, the total length of its training targets over that of its training inputs.
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
        """Decode each of `values` and return the results in their order.

        An answer does not depend on the other values, except for the last digits of its score. A sample depends on the
        index of its value. A value that can't be decoded (an unreadable image, an empty line, a text longer than the
        longest of training) becomes a Failure with the reason.

        Args:
            values: raw inputs of `problem`, as its source yields them: a line of text, the bytes of an image. For a
                problem that `continues`, forced prefixes, which begin the answers; "" for none.
            report: called after each batch with the number of finished values.

        Raises:
            UserError: for a problem that the net does not have, or that neither reads an input nor writes a text.
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
        """Return a raw input of `problem` as an item for `answer`. Raises UserError if it can't be decoded."""
        codec, continues = self.source_codec(problem), self.continues(problem)
        text = value if isinstance(value, str | tuple) else None
        if isinstance(text, str) and not text.strip() and not continues:
            raise UserError("The input is empty.")
        stored = codec.store_beginning(value) if continues else codec.store(value)
        remedy = "Give only its end." if continues else "Cut it into pieces."
        full_length, longest = codec.length(stored), codec.longest(self.hparams)
        length = codec.read_length(full_length, self.hparams)
        if length < full_length and self.net.generates(problem):
            raise UserError(
                f"Its length is {codec.measured(full_length)}, but the model reads windows of {codec.measured(length)} "
                f"and the texts written for several windows can't be joined. {remedy}"
            )
        if length > longest:
            raise UserError(
                f"Its length is {codec.measured(length)}; the model was trained on lengths up to "
                f"{codec.measured(longest)}. {remedy}"
            )
        available = self.net.longest
        if available is not None and (needed := codec.positions(length, self.hparams) + continues) > available:
            more = ", including one for the next id" if continues else ""
            raise UserError(f"It takes {needed:,} positions{more}; the model has {available:,}. {remedy}")
        return Item(stored, length, text, place)

    def answer(
        self,
        problem: str,
        items: Sequence[Item],
        options: DecodeOptions | None = None,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[Result]:
        """Decode items that `item` returned, and return the results in their order; see `decode`."""
        options = options or DecodeOptions()
        if not self.net.generates(problem):
            return self._classify(problem, items, options, report)
        results: dict[int, Result] = {}
        for batch, rows in batches([item.length for item in items], options.batch_size):
            batch_results = self._generate(problem, [items[index] for index in batch], rows, options)
            results |= zip(batch, batch_results, strict=True)
            report(len(results))
        return [results[index] for index in range(len(items))]

    def continues(self, problem: str) -> bool:
        """Return True if the problem is a language model, which has no input and continues a forced prefix."""
        return "inputs" not in self.codecs[problem] and self.net.generates(problem)

    def source_codec(self, problem: str) -> Codec:
        """Return the codec of the problem's raw values: that of its inputs, or of its targets if it `continues`.

        Raises UserError as `decode` does.
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
            expected = length if continues else math.ceil(LENGTH_RATIO * self.target_ratios[problem] * length)
            ids = max(length + 1 if continues else 1, expected + options.extra_length)
            return ids if self.net.longest is None else min(ids, self.net.longest)

        length = batch[0].length if continues else self._padded(source, batch[0].length)
        limits_B = np.zeros(rows, np.int32)
        limits_B[: len(batch)] = [limit(item.length) for item in batch]
        positions = -(-limit(length) // STRIDE) * STRIDE
        arrays = self._arrays(source, [item.stored for item in batch], rows, positions if continues else length)
        alpha = float(options.alpha)
        if options.sampling is None:
            outputs = self._programs.search(problem, source, arrays, limits_B, positions, options.beam_size, alpha)
        else:
            keys_BK2 = np.zeros((rows, options.n_best, 2), np.uint32)
            keys_BK2[: len(batch)] = keys(options.sampling.seed, [item.place for item in batch], options.n_best)
            outputs = self._programs.sample(
                problem, source, arrays, limits_B, keys_BK2, positions, options.sampling, alpha
            )
        ids_BKT, scores_BK = (ops.convert_to_numpy(tensor) for tensor in outputs)
        for row, item in enumerate(batch):
            finite = [k for k in range(options.n_best) if np.isfinite(scores_BK[row, k])]
            answers = [_answer(targets, ids_BKT[row, k], item.source, float(scores_BK[row, k])) for k in finite]
            yield Decoded(tuple(answers)) if answers else Failure(NON_FINITE)

    def _classify(
        self, problem: str, items: Sequence[Item], options: DecodeOptions, report: Callable[[int], None]
    ) -> list[Result]:
        """Return the class probabilities of each item, joined over all its windows."""
        inputs, targets = (self.codecs[problem][name] for name in ("inputs", "targets"))
        pending: list[dict[int, np.ndarray]] = [{} for _ in items]  # probabilities by the number of the window
        results: dict[int, Result] = {}
        windows = [inputs.windows(item.stored, self.hparams) for item in items]
        parts = [(index, number) for index, of_item in enumerate(windows) for number in range(len(of_item))]
        lengths = [inputs.length(windows[index][number]) for index, number in parts]
        for batch, rows in batches(lengths, options.batch_size):
            stored = [windows[parts[part][0]][parts[part][1]] for part in batch]
            arrays = self._arrays(inputs, stored, rows, self._padded(inputs, lengths[batch[0]]))
            probability_BC = ops.convert_to_numpy(self._programs.classify(problem, inputs, arrays))
            for part, probability_C in zip(batch, probability_BC, strict=False):  # rows after the batch are padding
                index, number = parts[part]
                pending[index][number] = probability_C
                if len(pending[index]) == len(windows[index]):
                    results[index] = self._joined(targets, pending[index], items[index].source)
                    pending[index] = {}
            report(len(results))
        return [results[index] for index in range(len(items))]

    def _joined(self, targets: Codec, by_window: Mapping[int, np.ndarray], source: Any) -> Result:
        """Return the answers of one item from the probabilities of all its windows."""
        probabilities = [by_window[number] for number in range(len(by_window))]
        if not all(np.all(np.isfinite(probability_C)) for probability_C in probabilities):
            return Failure(NON_FINITE)
        return Decoded(tuple(Answer(*one) for one in targets.joined(probabilities, source, self.hparams)))

    def _arrays(self, codec: Codec, stored: Sequence[bytes], rows: int, length: int) -> Any:
        return codec.batch([codec.load(one, self.hparams, None) for one in stored], rows, length)

    def _padded(self, codec: Codec, length: int) -> int:
        """Return the length that sources of up to `length` are padded to; images have a single shape."""
        varies = any(None in spec.shape[1:] for spec in codec.spec(self.hparams).values())
        return max(STRIDE, 1 << (length - 1).bit_length()) if varies else length


def batches(lengths: Sequence[int], batch_size: int) -> Iterator[tuple[list[int], int]]:
    """Yield batches of indices sorted by length, longest first, with the number of rows to pad them to.

    The number of rows is `batch_size`, or, if there are fewer items in all, the next power of two, because each shape
    is compiled.
    """
    ordered = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    rows = min(batch_size, 1 << (len(lengths) - 1).bit_length()) if lengths else 0
    for begin in range(0, len(ordered), batch_size):
        yield ordered[begin : begin + batch_size], rows


def _answer(codec: Codec, ids_T: np.ndarray, source: Any, score: float) -> Answer:
    ids = ids_T[: np.count_nonzero(ids_T != PAD)]
    complete = bool(ids.size) and int(ids[-1]) == EOS
    return Answer(codec.show(ids, source), score, complete, codec.well_formed(ids, source))
