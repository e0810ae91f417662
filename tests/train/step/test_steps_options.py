"""What hparams change about a step: several batches, frozen parts, decay, averages; and what a bad number does."""

from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest

from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.hparam_set import OPTIMIZERS
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer, unit_of
from t2t_mm.train.step.steps import Steps

WORDS, SIZE = Port("text", "text_words", 9), Port("label", "label_size", 3)
PROBLEMS = {"to_german": Signature(WORDS, WORDS, "to-german"), "size": Signature(WORDS, SIZE, "to-label")}
TEXT = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
CLASS = {"class": ArraySpec("int32", (None,))}
SPECS = {name: {"inputs": TEXT, "targets": CLASS if name == "size" else TEXT} for name in PROBLEMS}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=0,attention_heads=2,dropout=0,"
    "clip_grad_norm=0.05"
)
ROWS = 6
BY_RULE = [f"optimizer={name},ema_decay=0.9,weight_decay=0.0001,clip_grad_norm=0.5" for name in OPTIMIZERS]

COMPILED_ANYWAY = ("optimizer=adam,", "optimizer=adafactor,")  # for other tests too


class Run:
    """A net with its optimizer and compiled steps."""

    def __init__(self, changes: str = "") -> None:
        hparams = HPARAMS.override(changes)
        self.net = Net(PROBLEMS, hparams)
        self.net.build()
        self.optimizer = Optimizer(self.net.trainable_variables, self.net.commands, hparams.training)
        self.steps = Steps(self.net, self.optimizer, SPECS, hparams.training, seed=0)
        self.start = {path: np.zeros_like(value) for path, value in self.optimizer.tensors().items()}
        for seed, (path, value) in enumerate(sorted(self.net.tensors().items())):
            self.start[path] = np.random.default_rng(seed).normal(0, 0.3, value.shape).astype("float32")
            if f"{path}/average" in self.start:
                self.start[f"{path}/average"] = self.start[path]

    def back(self):
        """As it was before the first step; all runs begin with the same weights."""
        self.net.restore(self.start)
        self.optimizer.restore(self.start)
        return self

    def tensors(self):
        return self.net.tensors() | self.optimizer.tensors()

    def train(self, *batches, step=1):
        return self.steps.train(batches, step, 0.01, 1.0)


@cache
def made(changes):
    return Run(changes)


def run_of(changes=""):
    return made(changes).back()


def batch(problem, rows=range(ROWS)):
    """Some rows of six, which differ in length."""
    rng = np.random.default_rng(0)
    lengths_B = rng.integers(1, 6, ROWS).astype("int32")
    ids_BL = np.where(np.arange(5) < lengths_B[:, None], rng.integers(2, 9, (ROWS, 5)), 0).astype("int32")
    chosen = list(rows)
    text = {"ids": ids_BL[chosen], "lengths": lengths_B[chosen]}
    targets = {"class": np.arange(ROWS, dtype="int32")[chosen] % 3} if problem == "size" else text
    return Batch(problem, 0, tuple(f"train/{row}" for row in chosen), {"inputs": text, "targets": targets})


def moved(before, after):
    return {name for name, value in before.items() if not np.array_equal(value, after[name])}


@pytest.mark.slow
def test_several_batches_count_as_one_large_batch():
    whole, parts = run_of(), run_of("accumulate_batches=3")
    for step in (1, 2):  # the second begins with nothing gathered
        right = whole.train(batch("size"), step=step)
        found = parts.train(batch("size", [0]), batch("size", [1, 2]), batch("size", [3, 4, 5]), step=step)
        assert float(found.nats) == pytest.approx(float(right.nats), rel=1e-4)
        assert float(found.gradient_norm) == pytest.approx(float(right.gradient_norm), rel=1e-3)
    expected, tensors = whole.tensors(), parts.tensors()
    for name in (name for name in expected if name.endswith("/m")):
        np.testing.assert_allclose(tensors[name], expected[name], rtol=1e-2, atol=1e-6, err_msg=name)
    counts = [name for name in expected if name.startswith("steps/")]
    assert [tensors[name] for name in counts] == [expected[name] for name in counts]


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="elsewhere batches come one after the other")
def test_batches_side_by_side_say_and_move_what_they_do_one_after_the_other():
    noisy = "experts=4,experts_per_token=2,expert_size=8,branch_dropout=0.2,accumulate_batches=4"
    serial, side_by_side = run_of(noisy), run_of(f"{noisy},batches_at_once=2")
    batches = [batch("size", rows) for rows in ([0, 1], [2], [3, 4, 5], [1])]
    for step in (1, 2):
        right, found = serial.train(*batches, step=step), side_by_side.train(*batches, step=step)
        assert float(found.nats) == pytest.approx(float(right.nats), rel=1e-5)
        assert float(found.gradient_norm) == pytest.approx(float(right.gradient_norm), rel=1e-4)
        for name, value in right.reports.items():
            np.testing.assert_allclose(found.reports[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    expected, tensors = serial.tensors(), side_by_side.tensors()
    for name in (name for name in expected if name.endswith("/m")):
        np.testing.assert_allclose(tensors[name], expected[name], rtol=1e-3, atol=1e-6, err_msg=name)
    assert moved(side_by_side.start, tensors) == moved(serial.start, expected)


def test_several_workers_take_no_batches_side_by_side():
    training = HPARAMS.override("accumulate_batches=2,batches_at_once=2").training
    with pytest.raises(UserError, match="for a process that trains alone; received 2 and 3 workers"):
        Steps(run_of().net, run_of().optimizer, SPECS, training, seed=0, workers=3)


@pytest.mark.usefixtures("eagerly")
def test_a_batch_without_targets_weighs_nothing_among_others():
    run = run_of("accumulate_batches=3")
    one = batch("size", [0])
    nothing = replace(one, ids=(), arrays=one.arrays | {"targets": {"class": np.array([-1], "int32")}})
    alone = run_of().train(batch("size"))
    assert float(run.train(nothing, batch("size")).nats) == pytest.approx(float(alone.nats), rel=1e-4)


@pytest.mark.usefixtures("eagerly")
def test_frozen_parts_stay_as_they_are_and_out_of_the_norm():
    part = run_of("freeze=body/encoder text_words")
    before = part.tensors()
    norm = float(part.train(batch("size")).gradient_norm)
    assert norm < float(run_of().train(batch("size")).gradient_norm)
    units = {unit_of(name) for name in moved(before, part.tensors()) if name.startswith("net/")}
    assert units == {"label_size/line", "label_size/score"}


@pytest.mark.usefixtures("eagerly")
def test_weight_decay_counts_in_the_gradient_and_decays_no_net_that_is_not_used():
    decays = run_of("weight_decay=1")
    before = decays.tensors()
    norm = float(run_of().train(batch("size")).gradient_norm)
    assert float(decays.train(batch("size")).gradient_norm) > norm + 1
    assert_unused_stays(before, decays)


# The guard stands around every rule alike; Adafactor's slots are of other shapes than weights.
@pytest.mark.parametrize(
    "changes", [*(one for one in BY_RULE if "=ada" in one and "=adam_" not in one), "accumulate_batches=3"]
)
def test_a_gradient_that_is_not_finite_moves_nothing_until_told_to_go_on(changes):
    run = run_of(changes)
    batches = [batch("size")] if changes in BY_RULE else [batch("size", [0, 1, 2]), batch("size", [3, 4, 5])]
    run.train(*batches)
    run.train(*batches, step=3)
    right = run.tensors()
    run.back().train(*batches)
    before = run.tensors()
    weight = run.optimizer.weights["net/text_words/embed/rows"]
    good = weight.numpy()
    weight.assign(np.full(weight.shape, np.nan))
    assert not np.isfinite(float(run.train(*batches, step=2).nats))
    weight.assign(good)
    assert np.isfinite(float(run.train(*batches, step=3).nats))  # sound, but the step before was not
    assert not moved(before, run.tensors())
    run.steps.go_on()
    run.train(*batches, step=3)
    assert not moved(right, run.tensors())


@pytest.mark.parametrize(
    "changes",
    [pytest.param(one, marks=() if one.startswith(COMPILED_ANYWAY) else pytest.mark.slow) for one in BY_RULE],
)
def test_each_rule_brings_a_loss_down_and_leaves_what_the_kind_does_not_use(changes):
    run = run_of(changes)
    before = run.tensors()
    long = "momentum" in changes or "adafactor" in changes  # whose rates count otherwise than Adam's
    rate = 0.1 if long else 0.001 if "rmsprop" in changes else 0.01  # steps of rmsprop add up to ten
    losses = [float(run.steps.train([batch("size")], step, rate, 1.0).nats) for step in range(1, 41)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    assert_unused_stays(before, run)


def test_averages_judge_after_changing_places_with_the_weights():
    run = run_of(BY_RULE[0])
    for step in range(1, 6):
        run.train(batch("size"), step=step)
    weights, slots = run.net.tensors(), run.optimizer.tensors()
    run.optimizer.swap_averages()
    averaged = run.steps.evaluate_batch(batch("size"), ["neg_log_perplexity"])["neg_log_perplexity"]
    run.optimizer.swap_averages()
    assert not moved(weights, run.net.tensors())
    plain = run.steps.evaluate_batch(batch("size"), ["neg_log_perplexity"])["neg_log_perplexity"]
    assert abs(plain - averaged).max() > 1e-5
    run.net.restore({path: slots[f"{path}/average"] for path in weights})
    np.testing.assert_array_equal(
        averaged, run.steps.evaluate_batch(batch("size"), ["neg_log_perplexity"])["neg_log_perplexity"]
    )


def assert_unused_stays(before, run):
    assert not [name for name in moved(before, run.tensors()) if "decoder" in name or "commands" in name]
