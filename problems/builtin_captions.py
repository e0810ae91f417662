"""Pictures of two shapes to describe, made on the spot.

What: 32x32 PNG pictures of two different shapes (circle, square or triangle in red, green or blue), one above the
    other or one beside the other, and their two captions: `a red circle above a blue square`, `a blue square below a
    red circle`. Places and sizes, the exact tints, the grey behind and the noise over it are drawn anew for each
    picture. Which of two neighbours is on the left is not said, so that a caption is true of the mirrored picture too;
    a shift by an eighth cuts off a fifth of a shape at most. Training pictures are mirrored and shifted.
Splits: train 3,000, dev 300, each picture a function of its split and number alone; the 108 scenes are in both.
Layout: none; no file is needed.
Licence: that of this package.
Ceiling: 0.693 nats a caption (see `ImageCaptionsShapes.ceiling`). Without the picture 5.375 are the best: nine shapes
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
MARGIN = 2.0  # pixels about the shapes, at least
GAP = 2.0  # pixels between the shapes, at least
ASKEW = 3.0  # pixels that a shape may be off the line that the two stand on
KINDS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
SAID_BACK = {"above": "below", "below": "above", "beside": "beside"}  # a relation, and the same seen from the other


class Scenes(SyntheticSource):
    """A picture of two shapes and both ways to say what it shows."""

    name = "scenes"
    train = 3000
    dev = 300

    def key(self, values: Mapping[str, Any]) -> None:
        return None

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        first, second = (KINDS[number] for number in rng.permutation(len(KINDS))[:2])
        relation = str(rng.choice(list(SAID_BACK)))
        radius_2 = rng.uniform(*RADIUS, size=2)
        centres_22 = places(relation, radius_2, rng)
        picture: np.ndarray | float = rng.uniform(*GREYS)
        for (colour, shape), centre_2, radius in zip((first, second), centres_22, radius_2, strict=True):
            picture = over(coverage(shape, centre_2, radius), tint(colour, rng), picture)
        captions = caption(first, relation, second), caption(second, SAID_BACK[relation], first)
        return {"inputs": noisy_png(np.asarray(picture), NOISE, rng), "targets": captions}


def places(relation: str, radius_2: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float[2, 2]: the (x, y) of two shapes' centres, the first standing to the second as `relation` says."""
    spare = SIDE - 2 * MARGIN - 2 * radius_2.sum()  # pixels along the line that no shape takes
    gap = rng.uniform(GAP, spare)
    begin = MARGIN + rng.uniform(0, spare - gap)
    along_2 = np.array([begin + radius_2[0], begin + 2 * radius_2[0] + gap + radius_2[1]])
    edge = MARGIN + RADIUS[1] + ASKEW
    across_2 = rng.uniform(edge, SIDE - edge) + rng.uniform(-ASKEW, ASKEW, size=2)
    if relation == "below" or (relation == "beside" and rng.random() < 0.5):
        along_2 = SIDE - along_2
    return np.stack([along_2, across_2] if relation == "beside" else [across_2, along_2], axis=1)


def caption(first: tuple[str, str], relation: str, second: tuple[str, str]) -> str:
    """Such as `a red circle above a blue square`."""
    return f"a {' '.join(first)} {relation} a {' '.join(second)}"


@PROBLEMS.register
class ImageCaptionsShapes(Problem):
    """Made-up pictures of two shapes to captions, of which each has two."""

    source = Scenes()
    inputs = Image()
    targets = References("builtin")
    command = "to-english"
    decoded_metrics = ("cider", "bleu_4", "exact_match")
    ceiling = (
        "0.693 nats and 1 wrong token in two captions, half of the captions exact, one of the two right ones always: "
        "which of the shapes a caption begins with is a toss-up, and since the two shapes differ, it is settled by the "
        "one token where their names part: ln 2. By the token that is 0.693 / 8 = 0.087 nats and 93.75 % where each of "
        "the seven words is a piece of the vocabulary; the vocabulary of all stand-ins spells the rarer ones, so that "
        "a caption takes 14.3 tokens: 0.048 nats and 96.5 %. The picture leaves no doubt: without noise, two scenes "
        "are at least 175 grey levels apart (Euclidean: a circle against a square, both of the least size, 2.5, times "
        "the faintest tint on grey, 70), 29 standard deviations of the noise, so that the best classifier errs less "
        "than once in 10^9 pictures"
    )
