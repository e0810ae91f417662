"""How the work is shared among experts, as bars."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from t2t_mm.train.summaries.canvas import DEEP, INK, MARGIN, RED, blank, titled
from t2t_mm.train.summaries.lettering import lettered, line_height

WIDTH = 512  # pixels, of all bars together, where experts are few enough for bars of some width
WIDEST = 24  # pixels of a bar
HEIGHT = 80  # of the highest bar there may be


def bars(load: Mapping[str, np.ndarray], title: str) -> Image.Image:
    """For each layer the share of its work that each expert gets, float[E] that sum to 1, with a red line at 1 / E.

    The layers stand below each other, the last in the lower left corner, on scales of their own: the top is twice the
    equal share, or the busiest expert's.
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
    """The coefficient of variation: standard deviation / mean. 0 when all get alike, sqrt(E - 1) when one gets all."""
    return float(share_E.std() / max(share_E.mean(), 1e-12))


def _drawn(share_E: np.ndarray) -> Image.Image:
    experts = len(share_E)
    wide = max(1, min(WIDEST, WIDTH // experts))
    gap = int(wide > 3)
    top = max(2 / experts, float(np.nan_to_num(share_E).max()))
    picture = blank(wide * experts, HEIGHT)
    draw = ImageDraw.Draw(picture)
    for e, share in enumerate(np.nan_to_num(share_E)):
        high = round(float(share) / top * HEIGHT)
        if high:
            draw.rectangle([(e * wide, HEIGHT - high), ((e + 1) * wide - 1 - gap, HEIGHT - 1)], fill=DEEP)
    level = HEIGHT - round(HEIGHT / experts / top)
    draw.line([(0, level), (picture.width, level)], fill=RED)
    return picture


def _caption(layer: str, share_E: np.ndarray) -> str:
    return (
        f"{layer}: {len(share_E)} experts, equal share {1 / len(share_E):.1%}, busiest {share_E.max():.1%}, "
        f"variation {variation(share_E):.2f}"
    )
