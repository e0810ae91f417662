"""Synthetic images of one shape, and its colour and shape as the class.

What: 32x32 PNG images, each of one circle, square or triangle in red, green or blue: nine classes, such as
    `red_circle`. Place and size, the exact tint, the grey behind and the noise over it are drawn anew for each image.
Splits: train 4,500, dev 450, each image a function of its split and number alone.
Layout: none; no files are needed.
Licence: that of this package.
Ceiling: 100 % (see `ImageShapes.ceiling`). Without the image the class can only be guessed: all nine are equally
    likely.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import Problem
from t2t_mm.problems.shapes import COLOURS, GREYS, SHAPES, SIDE, coverage, noisy_png, over, tint
from t2t_mm.registry import PROBLEMS

NOISE = 12.0  # standard deviation, in grey levels of 256
RADIUS = (6.0, 11.0)  # of the shapes, in pixels
CLASSES = tuple(sorted(f"{colour}_{shape}" for colour in COLOURS for shape in SHAPES))


class Shapes(SyntheticSource):
    """Images of one shape, with its colour and shape as the class."""

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
        tint_3 = tint(colour, rng)
        image_HW3 = over(coverage(shape, centre_2, radius), tint_3, rng.uniform(*GREYS))
        return {"inputs": noisy_png(image_HW3, NOISE, rng), "targets": f"{colour}_{shape}"}


@PROBLEMS.register
class ImageShapes(Problem):
    """Synthetic images of one shape to one of nine classes, colour and shape."""

    source = Shapes()
    inputs = Image()
    targets = Label(classes="shapes")
    command = "to-label"
    batch_size_multiplier = 0.25  # small images take few positions, and few examples a step are enough
    metrics = ("neg_log_perplexity", "accuracy", "accuracy_top5")
    decoded_metrics = ("top_1", "top_5")
    ceiling = (
        "accuracy 1.00, 0.00 nats: without noise, images of two classes are at least 220 grey levels apart (Euclidean "
        "distance of a circle and a square, both of the smallest size, 3.2, times the faintest tint on grey, 70), 18 "
        "standard deviations of the noise, so that the best classifier errs less than once in 10^9 images"
    )
