"""Images of attention maps: known weights give known pixels."""

import io

import numpy as np
import pytest

from t2t_mm.train.summaries.attention_images import (
    CELL,
    DIM,
    FAIR,
    GAP,
    MAP_WIDTH,
    MOST_COLUMNS,
    MOST_ROWS,
    MOST_TILES,
    PANEL,
    TILE,
    audio_map,
    panels,
    spectrogram,
    text_map,
    tiles,
)
from t2t_mm.train.summaries.canvas import DEEP, MARGIN, PAPER

NAMES = "_die _Männer end".split()


def hot(rows, columns, t, s, weight=1.0):
    weights_TS = np.zeros((rows, columns))
    weights_TS[t, s] = weight
    return weights_TS


def cells(image, rows, columns, width=CELL):
    """Return the colours in the middle of the cells of a map in the lower right corner, [T, S, 3]."""
    pixels = np.asarray(image.convert("RGB"))
    below, right = np.array(pixels.shape[:2]) - MARGIN
    y = below - CELL * np.arange(rows, 0, -1) + CELL // 2
    x = right - width * np.arange(columns, 0, -1) + width // 2
    return pixels[y][:, x]


def size_in_file(image):
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return len(file.getvalue())


@pytest.mark.parametrize("place", [(0, 0), (2, 1), (1, 3)])
def test_one_hot_cell_is_dark_and_all_others_are_paper(place):
    image = text_map(hot(3, 4, *place), NAMES, list("abcd"), "title")
    colours = cells(image, 3, 4)
    assert tuple(colours[place]) == DEEP
    others = np.ones((3, 4), bool)
    others[place] = False
    assert (colours[others] == PAPER).all()


def test_shades_are_in_proportion_up_to_the_greatest_weight():
    colours = cells(text_map(np.array([[0.8, 0.4, 0.2, 0.0]]), ["a"], list("abcd"), ""), 1, 4)[0].astype(int)
    expected = [np.rint(np.array(PAPER) + share * (np.array(DEEP) - PAPER)) for share in (1, 0.5, 0.25, 0)]
    np.testing.assert_array_equal(colours, expected)


def test_equal_attention_to_everything_is_pale():
    colours = cells(text_map(np.full((1, 30), 1 / 30), ["a"], ["b"] * 30, ""), 1, 30)[0].astype(int)
    share = 1 / 30 / FAIR
    np.testing.assert_array_equal(colours[0], np.rint(np.array(PAPER) + share * (np.array(DEEP) - PAPER)))


def test_weights_that_are_not_finite_are_not_drawn():
    weights_TS = hot(2, 2, 0, 0)
    weights_TS[1] = np.nan
    colours = cells(text_map(weights_TS, ["a", "b"], ["c", "d"], ""), 2, 2)
    assert tuple(colours[0, 0]) == DEEP and (colours[1] == PAPER).all()


def inked(rows, columns):
    """Return where a map without weights has ink, the title left out."""
    image = np.asarray(text_map(np.zeros((2, 3)), rows, columns, "").convert("L"))
    return image[3 * CELL + MARGIN :] < 100


def test_names_of_rows_stand_to_the_left_of_them():
    first, second = inked(["name", ""], ["a"] * 3), inked(["", "name"], ["a"] * 3)
    edge = -MARGIN - 3 * CELL
    assert first[:, :edge].any() and not first[:, edge:][-MARGIN - 2 * CELL :].any()
    np.testing.assert_array_equal(
        first[-MARGIN - 2 * CELL - 1 : -MARGIN - CELL + 1], second[-MARGIN - CELL - 1 : -MARGIN + 1]
    )


def test_names_of_columns_stand_above_them_and_read_upwards():
    first, third = inked(["a"] * 2, ["Tower", "", ""]), inked(["a"] * 2, ["", "", "Tower"])
    above = np.s_[: -MARGIN - 2 * CELL]
    edges = [-MARGIN - k * CELL for k in (3, 2, 1, 0)]
    assert first[above][:, edges[0] : edges[1]].any() and not first[above][:, edges[1] :].any()
    assert third[above][:, edges[2] : edges[3]].any() and not third[above][:, edges[0] : edges[2]].any()
    tall, wide = np.ptp(np.argwhere(first[above][:, edges[0] : edges[1]]), axis=0)
    assert tall > 1.5 * wide


def test_a_large_map_is_cut_and_stays_small():
    rng = np.random.default_rng(0)
    weights_TS = rng.dirichlet([0.2] * 150, 120)
    image = text_map(weights_TS, ["a long name of a piece"] * 120, ["another long one, longer"] * 150, "title")
    assert image.width < MOST_COLUMNS * CELL + 250 and image.height < MOST_ROWS * CELL + 250
    assert size_in_file(image) < 150_000


def test_a_map_over_an_audio_clip_is_as_wide_as_its_spectrogram_and_marks_the_same_cell():
    mel_TF = np.zeros((100, 80))
    image = audio_map(hot(3, 10, 1, 7), NAMES, mel_TF, 1.0, "title")
    colours = cells(image, 3, 10)
    assert tuple(colours[1, 7]) == DEEP
    assert (colours.reshape(-1, 3) == DEEP).all(axis=1).sum() == 1


def test_positions_of_a_long_audio_clip_are_added_up_if_they_are_more_than_pixels():
    weights_TS = np.zeros((1, 4 * MAP_WIDTH))
    weights_TS[0, [40, 41, 42, 43]] = 0.25  # one pixel
    image = audio_map(weights_TS, ["a"], np.zeros((2560, 80)), 25.6, "title")
    colours = cells(image, 1, MAP_WIDTH, 1)[0]
    np.testing.assert_array_equal(np.flatnonzero((colours == DEEP).all(axis=1)), [10])


def test_loud_frames_of_a_spectrogram_are_dark_and_low_frequencies_at_the_bottom():
    mel_TF = np.zeros((40, 80))
    mel_TF[20:, :8] = 5  # the second half, the lowest tenth
    pixels = np.asarray(spectrogram(mel_TF, 400))
    assert pixels.shape == (80, 400, 3)
    assert tuple(pixels[79, 300]) == DEEP and tuple(pixels[73, 390]) == DEEP
    for y, x in [(79, 100), (60, 300), (0, 300)]:
        assert tuple(pixels[y, x]) == PAPER


def test_the_square_of_the_image_with_attention_is_bright_and_the_others_dim():
    image_HWC = np.full((32, 32, 3), 200, np.uint8)
    weights_TS = hot(2, 4, 0, 1) + hot(2, 4, 1, 2)  # first the upper right, then the lower left
    drawn = np.asarray(tiles(weights_TS, NAMES, image_HWC, "title").convert("RGB")).astype(int)
    bottom, right, quarter = drawn.shape[0] - MARGIN, drawn.shape[1] - MARGIN, TILE // 4
    for end, lit in ((right - TILE - GAP, (0, 1)), (right, (1, 0))):
        tile = drawn[bottom - TILE : bottom, end - TILE : end]
        for row, column in np.ndindex(2, 2):
            expected = 200 if (row, column) == lit else 200 * DIM
            assert abs(tile[quarter * (1 + 2 * row), quarter * (1 + 2 * column)] - expected).max() <= 2


def test_many_tiles_are_cut_and_stay_small():
    rng = np.random.default_rng(0)
    noise_HWC = rng.integers(0, 256, (299, 299, 3), np.uint8)
    image = tiles(rng.dirichlet([0.3] * 361, 50), ["piece"] * 50, noise_HWC, "title")
    assert image.height < MOST_TILES // 8 * (TILE + 30) + 80
    assert size_in_file(image) < 200_000


def test_every_layer_has_a_panel_in_its_place():
    maps = {f"layer {i}": hot(5, 4, i, i % 4) for i in range(4)}
    pixels = np.asarray(panels(maps, "title").convert("RGB"))
    dark = (pixels == DEEP).all(axis=2)
    assert dark.sum() == 4 * 8 * 8  # one cell of eight pixels a side in each
    wide = np.asarray(panels({"a": np.full((3, 1000), 0.1), "b": np.full((500, 3), 0.1)}, "title"))
    assert max(wide.shape) < 3 * PANEL
