"""Image of the order in which a problem goes through shared layers (soft ordering, arXiv 1711.00108).

J layers, K depths.
"""

import numpy as np
from PIL import Image, ImageDraw

from t2t_mm.train.summaries.canvas import FAINT, INK, PAPER, blank, shades, titled, write
from t2t_mm.train.summaries.lettering import lettered, line_height

CELL = 56  # pixels: the side of a cell
LEFT = 72  # pixels: the width of the layers' names


def ordering(share_JK: np.ndarray, title: str) -> Image.Image:
    """Return an image with a cell for each layer (row) at each depth (column): the darker, the greater its share.

    Args:
        share_JK: the share of each layer at each depth, float[J, K]; a column sums to 1.
        title: the line above the cells.
    """
    layers, depths = share_JK.shape
    top = line_height() + 4
    canvas = blank(LEFT + depths * CELL, top + layers * CELL)
    draw = ImageDraw.Draw(canvas)
    colours_JKC = shades(share_JK)
    for k in range(depths):
        _centred(canvas, LEFT + k * CELL, 0, CELL, line_height(), f"depth {k + 1}", INK)
    for j in range(layers):
        write(canvas, 0, top + j * CELL + (CELL - line_height()) // 2, f"layer {j + 1}")
        for k in range(depths):
            left, upper = LEFT + k * CELL, top + j * CELL
            box = (left, upper, left + CELL - 1, upper + CELL - 1)
            draw.rectangle(box, fill=tuple(colours_JKC[j, k].tolist()), outline=FAINT)
            ink = PAPER if share_JK[j, k] > 0.5 else INK
            _centred(canvas, left, upper, CELL, CELL, f"{share_JK[j, k]:.2f}", ink)
    return titled(canvas, [title])


def _centred(
    canvas: Image.Image, left: int, upper: int, width: int, height: int, text: str, ink: tuple[int, int, int]
) -> None:
    mask = lettered(text)
    canvas.paste(ink, (left + (width - mask.width) // 2, upper + (height - mask.height) // 2), mask)
