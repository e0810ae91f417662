"""Synthetic images of two shapes, and captions that describe them.

What: 32x32 PNG images of two different shapes (circle, square or triangle in red, green or blue), one above the
    other or one beside the other, and their two captions: `a red circle above a blue square`, `a blue square below a
    red circle`. Places and sizes, the exact tints, the grey behind and the noise over it are drawn anew for each
    image. Captions do not say which of two neighbours is on the left, so they are true of the mirrored image too;
    a shift by an eighth cuts off a fifth of a shape at most. Training images are mirrored and shifted.
Splits: train 3,000, dev 300, each image a function of its split and number alone; the 108 scenes are in both.
Layout: none; no files are needed.
Licence: that of this package.
Ceiling: 0.693 nats a caption (see `ImageCaptionsShapes.ceiling`). Without the image the best is 5.375: nine shapes
    to begin with, eight to go on with and three relations between them, ln 9 + ln 8 + ln 3.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.references import References
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import Problem
from t2t_mm.problems.shapes import COLOURS, GREYS, SHAPES, SIDE, coverage, noisy_png, over, tint
from t2t_mm.registry import PROBLEMS

NOISE = 6.0  # standard deviation, in grey levels of 256
RADIUS = (5.0, 6.5)  # of the shapes, in pixels
MARGIN = 2.0  # minimum distance of the shapes from the border, in pixels
GAP = 2.0  # minimum distance between the shapes, in pixels
ASKEW = 3.0  # maximum distance of a shape from the common line of both, in pixels
KINDS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
CONVERSE = {
    "above": "below",
    "below": "above",
    "beside": "beside",
}  # a relation, and the same relation seen from the other shape


class Scenes(SyntheticSource):
    """Images of two shapes, with both captions that describe them."""

    name = "scenes"
    train = 3000
    dev = 300

    def key(self, values: Mapping[str, Any]) -> None:
        return None

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        first, second = (KINDS[number] for number in rng.permutation(len(KINDS))[:2])
        relation = str(rng.choice(list(CONVERSE)))
        radius_2 = rng.uniform(*RADIUS, size=2)
        centres_22 = places(relation, radius_2, rng)
        image: np.ndarray | float = rng.uniform(*GREYS)
        for (colour, shape), centre_2, radius in zip((first, second), centres_22, radius_2, strict=True):
            image = over(coverage(shape, centre_2, radius), tint(colour, rng), image)
        captions = caption(first, relation, second), caption(second, CONVERSE[relation], first)
        return {"inputs": noisy_png(np.asarray(image), NOISE, rng), "targets": captions}


def places(relation: str, radius_2: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return float[2, 2]: the (x, y) of two shapes' centres, the first in `relation` to the second."""
    spare = SIDE - 2 * MARGIN - 2 * radius_2.sum()  # pixels along the line that are free
    gap = rng.uniform(GAP, spare)
    begin = MARGIN + rng.uniform(0, spare - gap)
    along_2 = np.array([begin + radius_2[0], begin + 2 * radius_2[0] + gap + radius_2[1]])
    edge = MARGIN + RADIUS[1] + ASKEW
    across_2 = rng.uniform(edge, SIDE - edge) + rng.uniform(-ASKEW, ASKEW, size=2)
    if relation == "below" or (relation == "beside" and rng.random() < 0.5):
        along_2 = SIDE - along_2
    return np.stack([along_2, across_2] if relation == "beside" else [across_2, along_2], axis=1)


def caption(first: tuple[str, str], relation: str, second: tuple[str, str]) -> str:
    """Return a caption such as `a red circle above a blue square`."""
    return f"a {' '.join(first)} {relation} a {' '.join(second)}"


@PROBLEMS.register
class ImageCaptionsShapes(Problem):
    """Synthetic images of two shapes to captions; each image has two right ones."""

    source = Scenes()
    inputs = Image()
    targets = References("builtin")
    command = "to-english"
    decoded_metrics = ("cider", "bleu_4", "exact_match")
    ceiling = (
        "0.693 nats a caption, 1 wrong token in two captions, half of the captions exact, and always one of the two "
        "right ones. A caption may begin with either shape; since the two shapes differ, only the one token at which "
        "their names first differ is uncertain: ln 2. Per token that is 0.693 / 8 = 0.087 nats and 93.75 % where each "
        "of the seven words is a piece of the vocabulary; the joint vocabulary of the built-in problems splits the "
        "rarer ones, so that a caption takes 14.3 tokens: 0.048 nats and 96.5 %. The image leaves no doubt: without "
        "noise, two scenes are at least 175 grey levels apart (Euclidean distance of a circle and a square, both of "
        "the smallest size, 2.5, times the faintest tint on grey, 70), 29 standard deviations of the noise, so that "
        "the best classifier errs less than once in 10^9 images"
    )
