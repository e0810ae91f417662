import json

import numpy as np
import pytest

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.mixture.mixer import Mixer, ProblemFacts
from t2t_mm.train.mixture.plan import PlanRow, plan_rows

FACTS = {
    "large": ProblemFacts(examples=9000, batches=90, tokens=90_000, unigram_nats=5.0),
    "small": ProblemFacts(examples=1000, batches=20, tokens=4_000, unigram_nats=2.0),
}


def mixer(scheme: str = "uniform", *, seed: int = 1, facts=FACTS, workers: int = 1, **hparams) -> Mixer:
    return Mixer(facts, TrainingHparams(problem_choice=scheme, **hparams), seed, workers)


def test_uniform_gives_all_problems_the_same_rate():
    assert mixer().rates() == {"large": 0.5, "small": 0.5}


def test_proportional_follows_the_examples_and_temperature_evens_them_out():
    assert mixer("proportional").rates() == pytest.approx({"large": 0.9, "small": 0.1})
    assert mixer("proportional", problem_temperature=2.0).rates() == pytest.approx({"large": 0.75, "small": 0.25})


def test_a_temperature_near_zero_takes_the_largest_problem_and_does_not_overflow():
    assert mixer("proportional", problem_temperature=0.001).rates() == pytest.approx({"large": 1.0, "small": 0.0})


def test_fixed_rates_are_scaled_to_sum_to_one():
    assert mixer("fixed", problem_rates="small:3 large:1").rates() == {"large": 0.25, "small": 0.75}


def test_a_problem_with_rate_zero_is_never_chosen():
    assert mixer("fixed", problem_rates="small:0 large:2").count(1, 500) == {"large": 500, "small": 0}
    assert mixer("fixed", problem_rates="small:2 large:0").count(1, 500) == {"large": 0, "small": 500}


@pytest.mark.parametrize(
    ("rates", "complaint"),
    [
        ("large:1", "without a rate for small"),
        ("large:1 small:-1", "gives small the rate -1"),
        ("large:1 small:nan", "gives small the rate nan"),
        ("large:1 small", "contains 'small', which has no rate"),
        ("large:1 small:1 large:2", "gives large two rates"),
        ("large:0 small:0", "every problem the rate 0"),
        ("", "without a rate for large, small"),
    ],
)
def test_bad_fixed_rates_are_refused_with_the_reason_and_the_form(rates, complaint):
    with pytest.raises(UserError, match=complaint) as raised:
        mixer("fixed", problem_rates=rates)
    assert "name:rate name:rate" in str(raised.value)


def test_unknown_names_get_a_suggestion():
    with pytest.raises(UnknownName, match="Did you mean 'small'"):
        mixer("fixed", problem_rates="large:1 smal:1")
    with pytest.raises(UnknownName, match="Did you mean 'adaptive'"):
        mixer("adaptve")


def test_as_many_workers_as_problems_have_one_each():
    chooser = mixer("distributed", workers=2)
    assert {(chooser.choose(step, 0), chooser.choose(step, 1)) for step in range(1, 100)} == {("large", "small")}
    assert chooser.count(1, 99) == {"large": 99, "small": 99}


def test_with_more_problems_than_workers_each_goes_through_its_share():
    facts = {name: FACTS["large"] for name in "abcd"}
    chooser = mixer("distributed", facts=facts, workers=2)
    chosen = [(chooser.choose(step, 0), chooser.choose(step, 1)) for step in range(1, 101)]
    assert set(chosen) == {("a", "c"), ("b", "d")}  # halfway through its half each
    assert chooser.count(1, 100) == {name: sum(name in pair for pair in chosen) for name in "abcd"}
    assert abs(chooser.count(1, 100)["a"] - 50) < 3


def test_with_fewer_problems_than_workers_several_take_the_same():
    chooser = mixer("distributed", workers=3)
    middle = [chooser.choose(step, 1) for step in range(1, 101)]
    assert {(chooser.choose(step, 0), chooser.choose(step, 2)) for step in range(1, 101)} == {("large", "small")}
    assert abs(middle.count("large") - 50) < 3


def test_workers_follow_the_rates_of_problem_rates():
    chooser = mixer("distributed", workers=2, problem_rates="large:3 small:1")
    assert chooser.rates() == {"large": 0.75, "small": 0.25}
    assert {chooser.choose(step, 0) for step in range(1, 101)} == {"large"}
    assert abs(chooser.count(1, 100)["small"] - 50) < 3


def test_one_worker_takes_what_uniform_would():
    alone, uniform = mixer("distributed"), mixer()
    assert [alone.choose(step) for step in range(1, 100)] == [uniform.choose(step) for step in range(1, 100)]


@pytest.mark.parametrize(
    "wrong", [{"problem_temperature": 0.0, "scheme": "proportional"}, {"problem_floor": 1.5}, {"problem_floor": -0.1}]
)
def test_numbers_that_give_no_rates_are_refused(wrong):
    with pytest.raises(UserError, match="received"):
        mixer(**wrong)


def test_steps_follow_the_rates_closely_at_every_moment():
    facts = {name: FACTS["large"] for name in "abcd"}
    rates = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}
    chooser = mixer("fixed", facts=facts, problem_rates=" ".join(f"{name}:{rate}" for name, rate in rates.items()))
    chosen = np.array([chooser.choose(step) for step in range(1, 1001)])
    for name, rate in rates.items():
        so_far = np.cumsum(chosen == name)
        assert np.abs(so_far - rate * np.arange(1, 1001)).max() < 4
        waits = np.diff(np.flatnonzero(chosen == name), prepend=-1)
        assert waits.max() <= 2 / rate


def test_choices_depend_on_seed_and_step_alone():
    forwards = [mixer().choose(step) for step in range(1, 100)]
    assert [mixer().choose(step) for step in range(99, 0, -1)] == forwards[::-1]
    assert [mixer(seed=2).choose(step) for step in range(1, 100)] != forwards


def test_count_counts_what_choose_chooses():
    chooser = mixer("proportional")
    chosen = [chooser.choose(step) for step in range(11, 111)]
    assert chooser.count(11, 110) == {name: chosen.count(name) for name in FACTS}


def test_adaptive_starts_even_and_moves_to_the_problem_that_is_worst_by_its_own_measure():
    chooser = mixer("adaptive")
    assert chooser.rates() == {"large": 0.5, "small": 0.5}
    for _ in range(200):
        chooser.observe("large", 5.0)  # as bad as guessing: 1
        chooser.observe("small", 1.0)  # half of that, though a fifth in nats
    assert chooser.rates() == pytest.approx({"large": 2 / 3, "small": 1 / 3})


def test_adaptive_averages_losses_exponentially():
    chooser = mixer("adaptive")
    chooser.observe("large", 10.0)  # 2 in units of guessing: the average goes from 1 to 0.9 * 1 + 0.1 * 2
    assert chooser.rates() == pytest.approx({"large": 1.1 / 2.1, "small": 1.0 / 2.1})


def test_adaptive_lets_no_problem_fall_below_the_floor():
    facts = {name: ProblemFacts(1, 1, 1, 1.0) for name in "abcd"}
    chooser = mixer("adaptive", facts=facts, problem_floor=0.4)
    for _ in range(400):
        for name, loss in zip("abcd", (3.0, 1.0, 0.0, 0.0), strict=True):
            chooser.observe(name, loss)
    # 0.4 of a quarter is 0.1 for c and d; a and b share the other 0.8 as 3 to 1.
    assert chooser.rates() == pytest.approx({"a": 0.6, "b": 0.2, "c": 0.1, "d": 0.1})


def test_a_floor_of_one_is_uniform():
    chooser = mixer("adaptive", problem_floor=1.0)
    chooser.observe("large", 1e9)
    assert chooser.rates() == pytest.approx({"large": 0.5, "small": 0.5})


def test_all_losses_gone_is_uniform():
    chooser = mixer("adaptive", problem_floor=0.0)
    chooser.restore({"normalised_losses": {"large": 0.0, "small": 0.0}})
    assert chooser.rates() == {"large": 0.5, "small": 0.5}


def test_a_loss_that_is_not_finite_changes_nothing():
    chooser = mixer("adaptive")
    chooser.observe("large", float("nan"))
    chooser.observe("small", float("inf"))
    assert chooser.rates() == {"large": 0.5, "small": 0.5}


def test_only_the_adaptive_scheme_reads_a_loss():
    class Pending:
        def __float__(self):
            raise AssertionError("asked for its value")

    mixer("uniform").observe("large", Pending())
    with pytest.raises(AssertionError):
        mixer("adaptive").observe("large", Pending())


def test_a_resumed_adaptive_run_chooses_as_the_uninterrupted_one():
    def losses(step):
        return 1.0 + (step * 7919 % 101) / 13

    def go_on(chooser, steps):
        chosen = []
        for step in steps:
            chosen.append(chooser.choose(step))
            chooser.observe(chosen[-1], losses(step))
        return chosen

    uninterrupted = mixer("adaptive")
    choices = go_on(uninterrupted, range(1, 301))
    first = mixer("adaptive")
    go_on(first, range(1, 151))
    second = mixer("adaptive")
    second.restore(json.loads(json.dumps(first.state())))
    assert go_on(second, range(151, 301)) == choices[150:]
    assert second.state() == uninterrupted.state()


def test_the_state_of_other_problems_is_refused():
    with pytest.raises(UserError, match="interleaving other"):
        mixer("adaptive").restore({"normalised_losses": {"other": 1.0}})


def test_a_mixture_without_problems_is_refused():
    with pytest.raises(UserError, match="--problems"):
        mixer(facts={})


def test_the_plan_counts_steps_examples_tokens_and_epochs():
    chooser = mixer("fixed", problem_rates="large:0.75 small:0.25")
    large, small = plan_rows(chooser, FACTS, train_steps=400)
    counts = chooser.count(1, 400)
    assert counts["large"] in range(298, 303)
    assert large.steps + small.steps == 400
    # An epoch of `small` is 20 batches: 1,000 examples, 4,000 tokens.
    epochs = counts["small"] / 20
    assert small == PlanRow("small", 0.25, counts["small"], round(1000 * epochs), round(4000 * epochs), epochs)
    assert large.epochs == counts["large"] / 90


def test_the_plan_of_a_resumed_run_is_of_the_steps_that_are_left():
    assert sum(row.steps for row in plan_rows(mixer(), FACTS, train_steps=400, done=390)) == 10
    assert sum(row.steps for row in plan_rows(mixer(), FACTS, train_steps=400, done=400)) == 0
