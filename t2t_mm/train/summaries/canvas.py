"""What all pictures are made with: paper, ink, shades, lines of text, a frame."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from t2t_mm.train.summaries.lettering import lettered

PAPER, INK, FAINT = (255, 255, 255), (34, 34, 34), (190, 190, 190)
DEEP = (8, 48, 107)  # the darkest shade
RED = (200, 30, 30)
MARGIN = 8  # pixels around everything


def blank(width: int, height: int) -> Image.Image:
    """Empty paper."""
    return Image.new("RGB", (width, height), PAPER)


def shades(share: np.ndarray) -> np.ndarray:
    """uint8[..., 3]: paper for 0, the darkest shade for 1 and above."""
    share = np.clip(np.nan_to_num(share), 0, 1)[..., None]
    return np.rint(np.array(PAPER) + share * (np.array(DEEP) - PAPER)).astype(np.uint8)


def write(canvas: Image.Image, x: int, y: int, text: str) -> None:
    """A line of text whose upper left corner is (x, y)."""
    canvas.paste(INK, (x, y), lettered(text))


def titled(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """A picture with lines of text above it and a margin around; it stands in the lower right corner."""
    masks = [lettered(line) for line in lines]
    width = max([picture.width, *(mask.width for mask in masks)]) + 2 * MARGIN
    canvas = blank(width, picture.height + sum(mask.height for mask in masks) + (2 + bool(masks)) * MARGIN)
    top = MARGIN
    for mask in masks:
        canvas.paste(INK, (MARGIN, top), mask)
        top += mask.height
    canvas.paste(picture, (width - MARGIN - picture.width, canvas.height - MARGIN - picture.height))
    return canvas
