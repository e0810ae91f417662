"""Windows over long texts, worked out by hand."""

import pytest

from t2t_mm.data.features.windows import windows
from t2t_mm.hparam_set import DataHparams


def of(question, text, max_length, stride=128):
    return windows(question, text, DataHparams(max_length=max_length, window_stride=stride))


def test_a_text_that_fits_is_one_window():
    assert of(4, 13, 20) == (4, ((0, 13),))  # 4 + 13 and [CLS], [SEP], [SEP] are 20
    assert of(4, 14, 20, 5) == (4, ((0, 13), (5, 14)))


def test_windows_begin_a_stride_apart_and_the_last_one_ends_with_the_text():
    # Beside 4 ids of the question and 3 others there is room for 13.
    assert of(4, 30, 20, 6) == (4, ((0, 13), (6, 19), (12, 25), (18, 30)))


def test_windows_are_those_of_the_authors_code():
    question, ranges = of(20, 500, 384)  # 361 ids of the text: 0 to 361, 128 to 489, 256 to 500
    assert (question, ranges) == (20, ((0, 361), (128, 489), (256, 500)))


def test_a_stride_leaves_nothing_out_however_wide_it_is():
    assert of(4, 30, 20, 100) == (4, ((0, 13), (13, 26), (26, 30)))


def test_half_of_the_room_is_the_questions_at_most():
    assert of(40, 20, 23, 5) == (10, ((0, 10), (5, 15), (10, 20)))  # 23 - 3 = 20 are shared out


@pytest.mark.parametrize("max_length", [1, 3, 4, 5])
def test_very_short_windows_hold_one_id_of_the_text_at_least(max_length):
    question, ranges = of(9, 3, max_length)
    assert (
        question == max(0, (max_length - 3) // 2) and ranges[-1][1] == 3 and all(last > first for first, last in ranges)
    )


def test_the_longest_windows_are_as_long_as_is_said():
    for text in range(1, 60):
        question, ranges = of(7, text, 24, 3)
        assert all(3 + question + last - first <= 24 for first, last in ranges)
        assert {place for window in ranges for place in range(*window)} == set(range(text))
