"""The synthetic shapes: an image shows the shape of its class, which can be recognised in spite of the noise."""

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from t2t_mm.problem import DEV, TRAIN
from t2t_mm.problems.builtin_images import CLASSES, RADIUS, Shapes
from t2t_mm.problems.shapes import COLOURS, SHAPES, SIDE, coverage


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    return [e.values for e in Shapes().examples(DEV, tmp_path_factory.mktemp("nowhere"))]


def pixels(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)), dtype=np.float64)


def named(image: bytes) -> str:
    """Return the class of an image: the nearest colour, and the shape that fits best where the image is not grey."""
    pixels_HW3 = pixels(image)
    edge = np.ones((SIDE, SIDE), bool)
    edge[1:-1, 1:-1] = False
    away_HW = np.linalg.norm(pixels_HW3 - pixels_HW3[edge].mean(), axis=-1)
    inside_HW = away_HW > 45
    # A stray pixel of noise has no neighbours inside.
    near_HW = sum(np.roll(inside_HW, shift, axis) for shift in (-1, 1) for axis in (0, 1))
    rows, columns = np.nonzero(inside_HW & (near_HW >= 2))
    tint_3 = np.median(pixels_HW3[rows, columns], axis=0)
    colour = min(COLOURS, key=lambda name: np.linalg.norm(tint_3 - COLOURS[name]))
    target_HW = np.clip((pixels_HW3 - pixels_HW3[edge].mean()) @ (tint_3 - pixels_HW3[edge].mean()), 0, None)
    target_HW = np.clip(target_HW / np.linalg.norm(tint_3 - pixels_HW3[edge].mean()) ** 2, 0, 1)
    middle_2 = np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / 2
    half = (columns.max() - columns.min() + 1) / 2
    misfit = {
        (shape, radius, shift): np.linalg.norm(coverage(shape, middle_2 + [0, shift], radius) - target_HW)
        for shape in SHAPES
        for radius in half + np.arange(-0.5, 2.0, 0.25)
        for shift in (-0.5, 0, 0.5)
    }
    return f"{colour}_{min(misfit, key=lambda key: misfit[key])[0]}"


def test_an_image_shows_what_it_is_named(dev):
    sample = dev[:60]
    assert [named(values["inputs"]) for values in sample] == [values["targets"] for values in sample]


def test_images_are_small_colour_pngs(dev):
    image = Image.open(io.BytesIO(dev[0]["inputs"]))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))


def test_the_nine_classes_are_about_equally_likely(dev):
    counts = Counter(values["targets"] for values in dev)
    assert set(counts) == set(CLASSES) and len(CLASSES) == 9
    assert max(counts.values()) < 0.2 * len(dev)


def test_a_shape_covers_the_area_it_should():
    centre_2, radius = np.array([16.0, 16.0]), 10.0
    areas = {"circle": np.pi * radius**2, "square": (1.8 * radius) ** 2, "triangle": 0.5 * 2.0 * 1.9 * radius**2}
    for shape, area in areas.items():
        assert coverage(shape, centre_2, radius).sum() == pytest.approx(area, rel=0.05)


def test_the_ceilings_distance_between_circle_and_square_is_as_stated():
    least = RADIUS[0]
    centre_2 = np.array([16.0, 16.0])
    circle_HW = coverage("circle", centre_2, least)
    nearest = min(
        np.linalg.norm(circle_HW - coverage("square", centre_2, r)) for r in np.arange(least - 2, least + 2, 0.1)
    )
    assert nearest == pytest.approx(3.2, abs=0.1)


def test_train_and_dev_hold_other_images(dev):
    train = {Shapes().example(TRAIN, index)["inputs"] for index in range(100)}
    assert not train & {values["inputs"] for values in dev}
    assert len({values["inputs"] for values in dev}) == len(dev) == 450
