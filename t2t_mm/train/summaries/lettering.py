"""Lines of text for images.

Pillow has a font of its own, so that an image is the same on every machine. That font has little more than ASCII, so
accents are drawn by hand. Other characters, such as those of other scripts, are drawn with a font of this machine if
one of a few common fonts is installed, and as full stops if none is.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import cast

from PIL import Image, ImageDraw, ImageFont

SIZE = 12  # pixels: the size of letters
HEADROOM = 3  # pixels above capital letters, for their accents

SPELT = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
SPELT |= {"„": '"', "‚": ",", "–": "-", "—": "-", "−": "-", "«": '"', "€": "EUR", "\u2581": "_", "\u00a0": " "}
ABOVE = {  # strokes of accents, from (x, y) to (x, y): pixels to the right of a letter's middle and above its top
    "\u0300": [((-2, 3), (0, 1))],  # grave
    "\u0301": [((2, 3), (0, 1))],  # acute
    "\u0302": [((-2, 1), (0, 3)), ((0, 3), (2, 1))],  # circumflex
    "\u0303": [((-2, 2), (-1, 3)), ((-1, 3), (1, 2)), ((1, 2), (2, 3))],  # tilde
    "\u0304": [((-2, 2), (2, 2))],  # macron
    "\u0306": [((-2, 3), (0, 1)), ((0, 1), (2, 3))],  # breve
    "\u0307": [((0, 2), (0, 2))],  # dot
    "\u0308": [((-2, 2), (-2, 2)), ((1, 2), (1, 2))],  # diaeresis
    "\u030a": [((-1, 1), (1, 1)), ((1, 1), (1, 3)), ((1, 3), (-1, 3)), ((-1, 3), (-1, 1))],  # ring
    "\u030b": [((-1, 1), (0, 3)), ((1, 1), (2, 3))],  # double acute
    "\u030c": [((-2, 3), (0, 1)), ((0, 1), (2, 3))],  # caron
}
BELOW = {  # the same for accents below the baseline
    "\u0327": [((0, -1), (0, -2)), ((0, -2), (-1, -2))],  # cedilla
    "\u0328": [((1, 0), (1, -1)), ((1, -1), (2, -2))],  # ogonek
}
ELSEWHERE = ("DejaVuSans.ttf", "Arial Unicode.ttf", "Arial.ttf", "arial.ttf")
UNKNOWN = "."


def lettered(text: str) -> Image.Image:
    """Return `text` as a mask, 255 where there is ink: one line, as wide as needed and as high as every other line."""
    letters = list(_letters(text))
    font = _own()
    if not all(_has(font, letter) for letter, _ in letters) and (other := _elsewhere()) is not None:
        font, letters = other, [(letter, "") for letter in text]
    letters = [(letter if _has(font, letter) else UNKNOWN, marks) for letter, marks in letters]
    line = "".join(letter for letter, _ in letters)
    mask = Image.new("L", (max(1, round(font.getlength(line))), line_height()))
    draw = ImageDraw.Draw(mask)
    draw.text((0, HEADROOM), line, fill=255, font=font)
    for place, (letter, marks) in enumerate(letters):
        middle = (font.getlength(line[:place]) + font.getlength(line[: place + 1])) / 2
        for table, level in ((ABOVE, font.getbbox(letter)[1]), (BELOW, font.getmetrics()[0])):
            for (x0, y0), (x1, y1) in (stroke for mark in marks for stroke in table.get(mark, [])):
                ends = [(round(middle + x), round(HEADROOM + level - y)) for x, y in ((x0, y0), (x1, y1))]
                draw.line(ends, fill=255)
    return mask


def line_height() -> int:
    """Return the height of a line in pixels."""
    return HEADROOM + sum(_own().getmetrics())


def _letters(text: str) -> Iterator[tuple[str, str]]:
    """Yield the letters of `text`, each with its accents."""
    spelt = "".join(SPELT.get(letter, letter) for letter in text)
    letter, marks = "", ""
    for character in unicodedata.normalize("NFD", spelt):
        if unicodedata.combining(character):
            marks += character
            continue
        if letter:
            yield letter, marks
        letter, marks = character, ""
    if letter:
        yield letter, marks


@cache
def _own() -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(SIZE))


@cache
def _elsewhere() -> ImageFont.FreeTypeFont | None:
    """Return a font of this machine for characters that Pillow's font lacks; None if none is installed."""
    for name in ELSEWHERE:
        try:
            return ImageFont.truetype(name, SIZE - 1)
        except OSError:
            continue
    return None


@cache
def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Return True if `font` has `letter`: all characters that a font lacks look the same."""
    return letter.isspace() or _drawn(font, letter) != _drawn(font, "\U0010ffff")


def _drawn(font: ImageFont.FreeTypeFont, letter: str) -> bytes:
    mask = Image.new("L", (3 * SIZE, 3 * SIZE))
    ImageDraw.Draw(mask).text((SIZE, SIZE), letter, fill=255, font=font)
    return mask.tobytes()
