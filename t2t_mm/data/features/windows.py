"""A text that is too long to be read at once, with a question about it, in windows that slide over the text.

As in the authors' code of arXiv 1810.04805 (run_squad.py): a window is the question and as much of the text as
`max_length` ids hold beside it, and the next one begins `window_stride` ids of the text later.
"""

from typing import NamedTuple

from t2t_mm.hparam_set import DataHparams

AROUND = 3  # ids that are neither question nor text: [CLS], and [SEP] behind each
LEAST = AROUND + 1


class Windows(NamedTuple):
    """How a question and a text are read."""

    asked: int  # ids of the question
    of_text: tuple[tuple[int, int], ...]  # for each window its first id of the text, and the one behind its last


def windows(asked: int, text: int, hparams: DataHparams) -> Windows:
    """The windows of a question of `asked` ids and a text of `text` ids; one of all where they fit.

    Where they don't, at most half of the room goes to the question, which is cut behind that.
    """
    longest = longest_window(hparams)
    if AROUND + asked + text <= longest:
        return Windows(asked, ((0, text),))
    asked = min(asked, (longest - AROUND) // 2)
    room = longest - AROUND - asked
    first, found = 0, [(0, min(room, text))]
    while found[-1][1] < text:
        first += min(hparams.window_stride, room)
        found.append((first, min(first + room, text)))
    return Windows(asked, tuple(found))


def longest_window(hparams: DataHparams) -> int:
    """The ids of the longest window, question and all: one of the text has room at least."""
    return max(hparams.max_length, LEAST)
