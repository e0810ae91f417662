"""The synthetic scenes: a caption describes its image, from either shape's side."""

import io
import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from t2t_mm.problem import DEV, TRAIN
from t2t_mm.problems.builtin_captions import CONVERSE, GAP, KINDS, MARGIN, NOISE, RADIUS, Scenes, places
from t2t_mm.problems.shapes import COLOURS, SHAPES, SIDE, coverage
from t2t_mm.registry import PROBLEMS


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    return [e.values for e in Scenes().examples(DEV, tmp_path_factory.mktemp("nowhere"))]


def parsed(caption: str) -> tuple[tuple[str, str], str, tuple[str, str]]:
    """A caption's first shape, relation and second shape."""
    a, colour, shape, relation, an, other_colour, other_shape = caption.split()
    assert a == an == "a"
    return (colour, shape), relation, (other_colour, other_shape)


def seen(image: bytes) -> list[tuple[tuple[str, str], np.ndarray]]:
    """The two shapes of an image with the (x, y) of their middles, found in its pixels."""
    pixels_HW3 = np.asarray(Image.open(io.BytesIO(image)), dtype=np.float64)
    edge = np.ones((SIDE, SIDE), bool)
    edge[1:-1, 1:-1] = False
    grey = pixels_HW3[edge].mean()
    inside_HW = np.linalg.norm(pixels_HW3 - grey, axis=-1) > 40
    # The widest empty line from side to side parts the two shapes.
    parts = []
    for axis in (0, 1):
        filled = np.flatnonzero(inside_HW.sum(axis=1 - axis) > 1)
        steps = np.diff(filled)
        parts.append((steps.max(), axis, filled[steps.argmax()] + 1))
    _, axis, cut = max(parts)
    shapes = []
    for half in (slice(0, cut), slice(cut, SIDE)):
        here_HW = np.zeros_like(inside_HW)
        here_HW[(half, slice(None)) if axis == 0 else (slice(None), half)] = True
        rows, columns = np.nonzero(inside_HW & here_HW)
        away_3 = np.median(pixels_HW3[rows, columns], axis=0) - grey
        colour = min(COLOURS, key=lambda name: np.linalg.norm(away_3 + grey - COLOURS[name]))
        covered_HW = np.clip((pixels_HW3 - grey) @ away_3 / (away_3 @ away_3), 0, 1) * here_HW
        middle_2 = np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / 2
        misfit = {
            (shape, radius, right, down): np.linalg.norm(coverage(shape, middle_2 + [right, down], radius) - covered_HW)
            for shape in SHAPES
            for radius in np.arange(*RADIUS, 0.25)
            for right in (-0.5, 0, 0.5)
            for down in (-0.5, 0, 0.5)
        }
        shapes.append(((colour, min(misfit, key=lambda key: misfit[key])[0]), middle_2))
    return shapes


def test_a_caption_names_both_shapes_and_their_relation(dev):
    for values in dev[:40]:
        (one, at_2), (other, there_2) = seen(values["inputs"])  # the first found is the upper or the left one
        across, down = np.abs(there_2 - at_2)
        if down > across:
            expected = {(one, "above", other), (other, "below", one)}
        else:
            expected = {(one, "beside", other), (other, "beside", one)}
        assert {parsed(caption) for caption in values["targets"]} == expected


def test_both_captions_say_the_same_and_differ(dev):
    for values in dev:
        (first, relation, second), (back, returned, forth) = map(parsed, values["targets"])
        assert (back, returned, forth) == (second, CONVERSE[relation], first)
        assert first != second and {first, second} <= set(KINDS)


@pytest.mark.parametrize("relation", CONVERSE)
def test_shapes_stand_clear_of_each_other_and_of_the_edges(relation):
    rng = np.random.default_rng(1)
    for _ in range(200):
        radius_2 = rng.uniform(*RADIUS, size=2)
        centres_22 = places(relation, radius_2, rng)
        assert (centres_22 - radius_2[:, None] >= MARGIN - 1e-9).all()
        assert (centres_22 + radius_2[:, None] <= SIDE - MARGIN + 1e-9).all()
        across, down = centres_22[1] - centres_22[0]
        along, askew = (across, down) if relation == "beside" else (down, across)
        assert abs(along) >= radius_2.sum() + GAP - 1e-9 > 1.5 * abs(askew)
        assert relation == "beside" or (down > 0) == (relation == "above")


def test_neighbours_stand_either_way_round_so_that_a_mirrored_image_is_nothing_new():
    rng = np.random.default_rng(2)
    right = [np.diff(places("beside", np.array([5.0, 6.0]), rng)[:, 0]) > 0 for _ in range(400)]
    assert 0.4 < np.mean(right) < 0.6


def test_images_are_small_colour_pngs(dev):
    image = Image.open(io.BytesIO(dev[0]["inputs"]))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))


def test_no_caption_is_to_be_guessed(dev):
    firsts = Counter(caption for values in dev for caption in values["targets"])
    assert max(firsts.values()) < 0.05 * len(dev)
    relations = Counter(parsed(values["targets"][0])[1] for values in dev)
    assert set(relations) == set(CONVERSE) and max(relations.values()) < 0.42 * len(dev)
    scenes = {frozenset(e["targets"]) for e in (Scenes().example(TRAIN, index) for index in range(1500))}
    assert len(scenes) == 108  # 36 pairs, of which each is above, below or beside


def test_the_ceilings_arithmetic_is_as_stated():
    ceiling = PROBLEMS["image_captions_shapes"].ceiling
    assert f"{math.log(2):.3f} nats" in ceiling
    assert f"{math.log(2) / 8:.3f} nats and {100 * (1 - 0.5 / 8)} %" in ceiling
    centre_2 = np.array([16.0, 16.0])
    circle_HW, square_HW = coverage("circle", centre_2, RADIUS[0]), coverage("square", centre_2, RADIUS[0])
    nearest = min(
        min(
            np.linalg.norm(circle_HW - coverage("square", centre_2, radius)),
            np.linalg.norm(square_HW - coverage("circle", centre_2, radius)),
        )
        for radius in np.arange(RADIUS[0], RADIUS[1], 0.1)
    )
    assert nearest == pytest.approx(2.55, abs=0.1)
    assert 2.5 * 70 / NOISE == pytest.approx(29, abs=0.5)


def test_equal_seeds_draw_equal_images_and_splits_have_other_images(dev):
    assert Scenes().example(DEV, 3) == dev[3]
    train = {Scenes().example(TRAIN, index)["inputs"] for index in range(100)}
    assert not train & {values["inputs"] for values in dev}
    assert len({values["inputs"] for values in dev}) == len(dev) == 300
