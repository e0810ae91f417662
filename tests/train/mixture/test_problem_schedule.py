import json

import numpy as np
import pytest

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.mixture.mixer import Mixer, ProblemFacts
from t2t_mm.train.mixture.plan import plan_rows

FACTS = {
    "lm": ProblemFacts(examples=9000, batches=90, tokens=90_000, unigram_nats=5.0),
    "parse": ProblemFacts(examples=1000, batches=20, tokens=4_000, unigram_nats=2.0),
}


def mixer(schedule: str, *, facts=FACTS, **hparams) -> Mixer:
    return Mixer(facts, TrainingHparams(problem_choice="scheduled", problem_schedule=schedule, **hparams), seed=1)


def shares(schedule: str, problem: str, *steps: int, **hparams) -> list[float]:
    chooser = mixer(schedule, **hparams)
    return [chooser.rates(step)[problem] for step in steps]


def test_pretraining_takes_one_problem_and_then_all_at_equal_rates():
    chooser = mixer("step @0 lm:1 @100 uniform")
    assert chooser.rates(1) == chooser.rates(99) == {"lm": 1.0, "parse": 0.0}
    assert chooser.rates(100) == chooser.rates(10**9) == {"lm": 0.5, "parse": 0.5}
    assert chooser.count(1, 99) == {"lm": 99, "parse": 0}
    assert chooser.count(100, 1099)["parse"] in range(498, 503)


def test_linear_rates_change_by_equal_amounts_and_stay_outside_the_points():
    # parse goes from 0 to 3/4 in the 100 steps from 100 on, then back to 1/4 in 200.
    schedule = "linear @100 lm:1 @200 lm:1 parse:3 @400 lm:3 parse:1"
    assert shares(schedule, "parse", 1, 100, 120, 200, 300, 400, 999) == pytest.approx(
        [0, 0, 0.15, 0.75, 0.5, 0.25, 0.25]
    )


def test_exponential_rates_change_by_equal_factors():
    # lm to parse goes from 1:1 to 16:1 in four times 10 steps: 2:1, 4:1, 8:1.
    schedule = "exponential @10 lm:1 parse:1 @50 lm:16 parse:1"
    assert shares(schedule, "lm", 10, 20, 30, 40, 50, 60) == pytest.approx(
        [1 / 2, 2 / 3, 4 / 5, 8 / 9, 16 / 17, 16 / 17]
    )


def test_an_exponential_rise_from_zero_begins_at_a_ten_thousandth():
    # From 1:0 to 1/2:1/2, which counts as from 1:0.00005; half way 0.5^0.5 : 0.000025^0.5, that is 0.7071 : 0.005.
    halfway = 0.005 / (0.5**0.5 + 0.005)
    assert shares("exponential @0 lm:1 @100 uniform", "parse", 0, 50, 100) == pytest.approx([0.0, halfway, 0.5])
    assert shares("exponential @0 uniform @100 lm:1", "parse", 0, 50, 100) == pytest.approx([0.5, halfway, 0.0])


def test_a_problem_with_rate_zero_at_both_points_keeps_rate_zero():
    facts = {name: FACTS["lm"] for name in "abc"}
    for change in ("linear", "exponential"):
        chooser = mixer(f"{change} @0 a:1 @10 b:1", facts=facts)
        assert [chooser.rates(step)["c"] for step in (0, 5, 10)] == [0, 0, 0]
        assert sum(chooser.rates(5).values()) == pytest.approx(1.0)


def test_points_take_the_rates_of_schemes():
    schedule = "linear @0 proportional @100 fixed"
    assert shares(schedule, "lm", 0, 50, 100, problem_rates="lm:1 parse:3") == pytest.approx([0.9, 0.575, 0.25])


def test_adaptive_points_follow_the_losses():
    chooser = mixer("linear @0 lm:1 @100 adaptive")
    assert chooser.adaptive and not mixer("linear @0 lm:1 @100 uniform").adaptive
    for _ in range(200):
        chooser.observe("lm", 5.0)  # as bad as guessing: 1
        chooser.observe("parse", 1.0)  # half of that
    assert chooser.rates(100) == pytest.approx({"lm": 2 / 3, "parse": 1 / 3})
    assert chooser.rates(50) == pytest.approx({"lm": 5 / 6, "parse": 1 / 6})


def test_steps_follow_changing_rates_closely_at_every_moment():
    facts = {name: FACTS["lm"] for name in "abcd"}
    for schedule in ("linear @0 a:1 @1000 uniform", "exponential @0 a:1 @1000 b:1 c:2 d:3"):
        chooser = mixer(schedule, facts=facts)
        chosen = [chooser.choose(step) for step in range(1, 1001)]
        due = np.cumsum([list(chooser.rates(step).values()) for step in range(1, 1001)], axis=0)
        taken = np.cumsum([[name == one for name in facts] for one in chosen], axis=0)
        assert np.abs(taken - due).max() < 8  # random draws would stray by some 15 to 30


def test_choices_depend_on_the_step_alone_and_count_counts_them():
    chooser = mixer("exponential @0 lm:1 @300 uniform")
    forwards = [chooser.choose(step) for step in range(1, 301)]
    assert [mixer("exponential @0 lm:1 @300 uniform").choose(step) for step in range(300, 0, -1)] == forwards[::-1]
    assert chooser.count(1, 300) == {name: forwards.count(name) for name in FACTS}


def test_a_resumed_run_chooses_as_the_uninterrupted_one():
    def go_on(chooser, steps):
        chosen = []
        for step in steps:
            chosen.append(chooser.choose(step))
            chooser.observe(chosen[-1], 1.0 + (step * 7919 % 101) / 13)
        return chosen

    schedule = "linear @50 lm:1 @250 adaptive"
    choices = go_on(mixer(schedule), range(1, 301))
    first, second = mixer(schedule), mixer(schedule)
    go_on(first, range(1, 151))
    second.restore(json.loads(json.dumps(first.state())))
    assert go_on(second, range(151, 301)) == choices[150:]


def test_the_plan_shows_mean_rates_and_the_steps_that_come_of_them():
    # parse has 0 for 100 steps, then rises from 0 to 1/2 in 100: means 0, then about 1/4.
    rows = plan_rows(mixer("linear @100 lm:1 @200 uniform"), FACTS, train_steps=200)
    assert [row.rate for row in rows] == pytest.approx([0.875, 0.125], abs=0.002)
    assert rows[1].steps in range(23, 28)
    assert plan_rows(mixer("linear @100 lm:1 @200 uniform"), FACTS, 200, done=200)[1].steps == 0


def test_long_plans_are_counted_in_parts():
    chooser = mixer("linear @0 lm:1 @200000 uniform")
    counts = chooser.count(1, 200_000)
    assert sum(counts.values()) == 200_000 and counts["parse"] in range(49_990, 50_011)
    assert chooser.mean_rates(1, 200_000)["parse"] == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize(
    ("schedule", "complaint"),
    [
        ("", "its first word must say how rates change"),
        ("quadratic @0 uniform", "its first word must say how rates change"),
        ("linear", "points must begin with @ and a step"),
        ("linear uniform", "points must begin with @ and a step"),
        ("linear @soon uniform", "contains '@soon'; a step, such as @10000, was expected there"),
        ("linear @0", "at @0 names no rates"),
        ("linear @0 uniform @0 lm:1", "from @0 to @0; steps must increase"),
        ("linear @9 uniform @5 lm:1", "from @9 to @5; steps must increase"),
        ("linear @0 lm:1 parse", "contains 'parse', which has no rate"),
        ("linear @0 lm:0 parse:0", "at @0 gives every problem the rate 0"),
        ("linear @0 lm:-1", "gives lm the rate -1"),
    ],
)
def test_a_schedule_of_another_form_is_refused_with_the_reason_and_the_form(schedule, complaint):
    with pytest.raises(UserError, match=complaint) as raised:
        mixer(schedule)
    assert "linear @0 first:1 @10000 uniform" in str(raised.value)


def test_unknown_names_get_a_suggestion():
    with pytest.raises(UnknownName, match="Did you mean 'parse'"):
        mixer("linear @0 pars:1")
    with pytest.raises(UnknownName, match="Did you mean 'uniform'"):
        mixer("linear @0 unifrm")
    with pytest.raises(UnknownName, match="scheme of rates"):
        mixer("linear @0 scheduled")
