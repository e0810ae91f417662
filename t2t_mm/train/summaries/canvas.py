"""Drawing primitives of all images: background, ink, shades, lines of text, a title and a margin."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from t2t_mm.train.summaries.lettering import lettered

PAPER, INK, FAINT = (255, 255, 255), (34, 34, 34), (190, 190, 190)
DEEP = (8, 48, 107)  # the darkest shade
RED = (200, 30, 30)
MARGIN = 8  # pixels around everything


def blank(width: int, height: int) -> Image.Image:
    """Return an empty image."""
    return Image.new("RGB", (width, height), PAPER)


def shades(share: np.ndarray) -> np.ndarray:
    """Return colours uint8[..., 3]: the background colour for 0, the darkest shade for 1 and above."""
    share = np.clip(np.nan_to_num(share), 0, 1)[..., None]
    return np.rint(np.array(PAPER) + share * (np.array(DEEP) - PAPER)).astype(np.uint8)


def write(canvas: Image.Image, x: int, y: int, text: str) -> None:
    """Write a line of text whose upper left corner is (x, y)."""
    canvas.paste(INK, (x, y), lettered(text))


def titled(image: Image.Image, lines: Sequence[str]) -> Image.Image:
    """Return `image` with lines of text above it and a margin around; it stands in the lower right corner."""
    masks = [lettered(line) for line in lines]
    width = max([image.width, *(mask.width for mask in masks)]) + 2 * MARGIN
    canvas = blank(width, image.height + sum(mask.height for mask in masks) + (2 + bool(masks)) * MARGIN)
    top = MARGIN
    for mask in masks:
        canvas.paste(INK, (MARGIN, top), mask)
        top += mask.height
    canvas.paste(image, (width - MARGIN - image.width, canvas.height - MARGIN - image.height))
    return canvas
