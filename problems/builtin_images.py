"""Pictures of shapes to name, made on the spot.

What: 32x32 PNG pictures, each of one circle, square or triangle in red, green or blue: nine classes, such as
    `red_circle`. Place and size, the exact tint, the grey behind and the noise over it are drawn anew for each picture.
Splits: train 4,500, dev 450, each picture a function of its split and number alone.
Layout: none; no file is needed.
Licence: that of this package.
Ceiling: 100 % (see `ImageShapes.ceiling`). The class cannot be guessed without the picture: all nine are as likely.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.image import Image
from t2t_mm.data.label import Label
from t2t_mm.data.sources.made import Made
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

SIDE = 32  # pixels
NOISE = 12.0  # standard deviation, in grey levels of 256
RADIUS = (6.0, 11.0)  # of the shapes, in pixels
COLOURS = {"red": (205, 50, 50), "green": (50, 190, 60), "blue": (55, 70, 210)}
SHAPES = {  # corners of a shape of radius 1 about its centre, x to the right and y down; none: a circle
    "circle": (),
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "triangle": ((0.0, -1.0), (1.0, 0.9), (-1.0, 0.9)),
}
CLASSES = tuple(sorted(f"{colour}_{shape}" for colour in COLOURS for shape in SHAPES))


class Shapes(Made):
    """A picture of a shape and the name of what it shows."""

    name = "shapes"
    train = 4500
    dev = 450

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return CLASSES

    def key(self, values: Mapping[str, Any]) -> None:
        return None

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        colour, shape = rng.choice(list(COLOURS)), rng.choice(list(SHAPES))
        radius = rng.uniform(*RADIUS)
        centre_2 = rng.uniform(radius + 1, SIDE - radius - 1, size=2)
        tint_3 = np.array(COLOURS[colour]) + rng.uniform(-25, 25, size=3)
        grey = rng.uniform(80, 180)
        inside_HW1 = coverage(shape, centre_2, radius)[..., None]
        clean_HW3 = inside_HW1 * tint_3 + (1 - inside_HW1) * grey
        pixels_HW3 = np.clip(clean_HW3 + rng.normal(0, NOISE, clean_HW3.shape), 0, 255).astype(np.uint8)
        return {"inputs": _png(pixels_HW3), "targets": f"{colour}_{shape}"}


def coverage(shape: str, centre_2: np.ndarray, radius: float) -> np.ndarray:
    """float[H, W] in 0..1: how much of each pixel the shape covers, measured at 4x4 points."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    canvas = Pictures.new("L", (4 * SIDE, 4 * SIDE))
    pen = ImageDraw.Draw(canvas)
    if SHAPES[shape]:
        pen.polygon([tuple(4 * (centre_2 + radius * np.array(corner))) for corner in SHAPES[shape]], fill=255)
    else:
        pen.ellipse([*4 * (centre_2 - radius), *4 * (centre_2 + radius)], fill=255)
    fine_HW = np.asarray(canvas, dtype=np.float64) / 255
    return fine_HW.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))


def _png(pixels_HW3: np.ndarray) -> bytes:
    from PIL import Image as Pictures

    file = io.BytesIO()
    Pictures.fromarray(pixels_HW3).save(file, "png")
    return file.getvalue()


@PROBLEMS.register
class ImageShapes(Problem):
    """Made-up pictures of one shape to one of nine classes, colour and shape."""

    source = Shapes()
    inputs = Image()
    targets = Label(classes="shapes")
    command = "to-label"
    batch_size_multiplier = 0.25  # small pictures take few positions, and few examples a step are enough
    metrics = ("neg_log_perplexity", "accuracy", "accuracy_top5")
    ceiling = (
        "accuracy 1.00, 0.00 nats: without noise, pictures of two classes are at least 220 grey levels apart "
        "(Euclidean: a circle against a square, both of the least size, 3.2, times the faintest tint on grey, 70), "
        "18 standard deviations of the noise, so that the best classifier errs less than once in 10^9 pictures"
    )
