import math

import pytest

from t2t_mm import hparam_set
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.optim.learning_rate import SCHEDULES, learning_rate


def rate(name: str, *, peak: float = 2.0, warmup: int = 4, width: int = 64, steps: int = 13):
    hparams = TrainingHparams(learning_rate=peak, learning_rate_schedule=name, learning_rate_warmup_steps=warmup)
    return learning_rate(hparams, width, steps)


def test_noam_rises_to_step_warmup_and_then_falls_with_the_square_root():
    at = rate("noam", peak=1.0, warmup=4000, width=512)
    assert at(1) == pytest.approx(512**-0.5 * 4000**-1.5)
    assert at(4000) == pytest.approx((512 * 4000) ** -0.5)  # 6.99e-4, the Transformer's peak
    assert at(16000) == pytest.approx(at(4000) / 2)


def test_noam_is_the_formula_of_the_transformer_paper_at_every_step():
    at = rate("noam", peak=0.5, warmup=7, width=64)
    for step in range(1, 40):
        assert at(step) == pytest.approx(0.5 * 64**-0.5 * min(step**-0.5, step * 7**-1.5))


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"noam", "rsqrt_decay"}))
def test_warm_up_is_a_straight_line_to_the_peak(name):
    at = rate(name)
    assert [at(step) for step in (1, 2, 3, 4)] == pytest.approx([0.5, 1.0, 1.5, 2.0])


# 13 steps, 4 of warm-up: progress is (step - 4) / 10, a half at step 9 and 9 / 10 at the last one.
@pytest.mark.parametrize(
    ("name", "half", "last"),
    [
        ("constant", 2.0, 2.0),
        ("linear", 1.0, 0.2),
        ("cosine", 1.0, 1 - math.cos(math.pi * 0.1)),
        ("exponential", 0.2, 2 * 10**-1.8),
        ("rsqrt_decay", 2 / 3, 2 * 13**-0.5),
    ],
)
def test_decay_has_the_value_of_its_formula(name, half, last):
    at = rate(name)
    assert (at(9), at(13)) == pytest.approx((half, last))


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_without_warm_up_the_first_step_has_the_full_rate(name):
    at = rate(name, warmup=0)
    assert at(1) >= at(2) > 0


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_run_shorter_than_its_warm_up_and_steps_behind_the_last_have_a_rate(name):
    assert 0 < rate(name, warmup=100, steps=10)(10) < 2
    assert rate(name)(1000) >= 0


def test_an_unknown_schedule_gets_a_suggestion():
    with pytest.raises(UnknownName, match="Did you mean 'cosine'"):
        rate("cosin")


def test_a_warm_up_below_zero_is_refused():
    with pytest.raises(UserError, match="received -1"):
        rate("noam", warmup=-1)


def test_every_schedule_that_hparams_may_name_is_here():
    assert set(hparam_set.SCHEDULES) == set(SCHEDULES)
