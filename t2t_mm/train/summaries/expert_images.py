"""Bar charts of how the load is distributed over the experts of a mixture of experts."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from t2t_mm.train.summaries.canvas import DEEP, INK, MARGIN, RED, blank, titled
from t2t_mm.train.summaries.lettering import lettered, line_height

WIDTH = 512  # pixels of all bars together, unless there are more experts than pixels
WIDEST = 24  # pixels: the greatest width of a bar
HEIGHT = 80  # pixels: the height of the scale


def bars(load: Mapping[str, np.ndarray], title: str) -> Image.Image:
    """Return an image with a bar chart for each layer: each expert's share of the load, and a red line at 1 / E.

    The charts stand below each other, the last one in the lower left corner. Each has its own scale: its top is twice
    the equal share 1 / E, or the busiest expert's share if that is more.

    Args:
        load: by layer, the shares of the experts, float[E], which sum to 1.
        title: the line above the charts.
    """
    parts = [(lettered(_caption(layer, share_E)), _drawn(share_E)) for layer, share_E in load.items()]
    width = max(max(name.width, drawn.width) for name, drawn in parts)
    canvas = blank(width, len(parts) * (line_height() + HEIGHT + MARGIN) - MARGIN)
    top = 0
    for name, drawn in parts:
        canvas.paste(INK, (0, top), name)
        canvas.paste(drawn, (0, top + line_height()))
        top += line_height() + HEIGHT + MARGIN
    return titled(canvas, [title])


def variation(share_E: np.ndarray) -> float:
    """Return the coefficient of variation, standard deviation / mean.

    It is 0 if all experts get the same share, and sqrt(E - 1) if one gets all.
    """
    return float(share_E.std() / max(share_E.mean(), 1e-12))


def _drawn(share_E: np.ndarray) -> Image.Image:
    experts = len(share_E)
    wide = max(1, min(WIDEST, WIDTH // experts))
    gap = int(wide > 3)
    top = max(2 / experts, float(np.nan_to_num(share_E).max()))
    image = blank(wide * experts, HEIGHT)
    draw = ImageDraw.Draw(image)
    for e, share in enumerate(np.nan_to_num(share_E)):
        high = round(float(share) / top * HEIGHT)
        if high:
            draw.rectangle([(e * wide, HEIGHT - high), ((e + 1) * wide - 1 - gap, HEIGHT - 1)], fill=DEEP)
    level = HEIGHT - round(HEIGHT / experts / top)
    draw.line([(0, level), (image.width, level)], fill=RED)
    return image


def _caption(layer: str, share_E: np.ndarray) -> str:
    return (
        f"{layer}: {len(share_E)} experts, equal share {1 / len(share_E):.1%}, busiest {share_E.max():.1%}, "
        f"variation {variation(share_E):.2f}"
    )
