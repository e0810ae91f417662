"""Sliding windows over a text that is too long to be read at once together with a question about it.

As in the authors' code of arXiv 1810.04805 (run_squad.py): a window is the question and as many ids of the text as fit
into `max_length` beside it. The next window starts `window_stride` ids of the text later.
"""

from typing import NamedTuple

from t2t_mm.hparam_set import DataHparams

AROUND = 3  # ids that are neither question nor text: [CLS], and [SEP] after each of them
LEAST = AROUND + 1


class Windows(NamedTuple):
    """The windows of a question and a text."""

    question_length: int  # ids of the question that are read
    text_ranges: tuple[tuple[int, int], ...]  # the ids of the text in each window: start and end (exclusive)


def windows(question: int, text: int, hparams: DataHparams) -> Windows:
    """Return the windows of a question of `question` ids and a text of `text` ids. If all fit, there is one window.

    Otherwise the question gets at most half of the positions, and the rest of it is cut off.
    """
    longest = longest_window(hparams)
    if AROUND + question + text <= longest:
        return Windows(question, ((0, text),))
    question = min(question, (longest - AROUND) // 2)
    of_text = longest - AROUND - question  # ids of the text in a window
    first, ranges = 0, [(0, min(of_text, text))]
    while ranges[-1][1] < text:
        first += min(hparams.window_stride, of_text)
        ranges.append((first, min(first + of_text, text)))
    return Windows(question, tuple(ranges))


def longest_window(hparams: DataHparams) -> int:
    """Return the number of ids of the longest window, including the question. At least one id of the text fits."""
    return max(hparams.max_length, LEAST)
