"""Bar charts of the load of experts."""

import numpy as np
import pytest

from t2t_mm.train.summaries.canvas import DEEP, MARGIN, PAPER, RED
from t2t_mm.train.summaries.expert_images import HEIGHT, WIDEST, bars, variation


def drawn(load):
    """Return the pixels of the last layer's bars."""
    pixels = np.asarray(bars(load, "title").convert("RGB"))
    return pixels[-MARGIN - HEIGHT : -MARGIN, MARGIN:]


@pytest.mark.parametrize(
    ("share_E", "expected"), [([0.25] * 4, 0), ([1, 0, 0, 0], 3**0.5), ([0.5, 0.5, 0, 0], 1), ([0, 0], 0)]
)
def test_variation_is_0_for_equal_shares_and_the_root_of_experts_less_one_for_a_single_bearer(share_E, expected):
    assert variation(np.array(share_E)) == pytest.approx(expected)


def test_bars_are_as_high_as_the_shares_and_the_line_is_at_the_equal_share():
    shares = [0.5, 0.25, 0.125, 0.125]  # the top is 0.5, twice the equal share
    pixels = drawn({"encoder/experts": np.array([0.25] * 4), "decoder/experts": np.array(shares)})
    for e, share in enumerate(shares):
        column = pixels[:, e * WIDEST + WIDEST // 2]
        assert (column == DEEP).all(axis=1).sum() == round(share / 0.5 * HEIGHT) - (share >= 0.25)  # less the line
        assert (column == RED).all(axis=1).argmax() == HEIGHT // 2
    assert (pixels[0, WIDEST : 4 * WIDEST] == PAPER).all()


def test_an_expert_with_more_than_twice_its_share_stretches_the_scale():
    pixels = drawn({"experts": np.array([1.0, 0, 0, 0])})
    assert (pixels[:, WIDEST // 2] == RED).all(axis=1).argmax() == HEIGHT - HEIGHT // 4
    assert tuple(pixels[0, WIDEST // 2]) == DEEP
    assert not (pixels[:, WIDEST:] == DEEP).all(axis=2).any()


def test_hundreds_of_experts_have_room():
    picture = bars({"experts": np.random.default_rng(0).dirichlet([1] * 240)}, "title")
    assert picture.width < 600
