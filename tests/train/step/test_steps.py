"""Compiled steps: what they move, what they leave alone and what they report."""

import zlib
from dataclasses import dataclass

import keras
import numpy as np
import pytest

from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer, unit_of
from t2t_mm.train.step.steps import Steps

WORDS, SIZE = Port("text", "text_words", 9), Port("label", "label_size", 3)
PROBLEMS = {
    "to_german": Signature(WORDS, WORDS, "to-german"),
    "to_french": Signature(WORDS, WORDS, "to-french"),
    "size": Signature(WORDS, SIZE, "to-label"),
}
TEXT_SPEC = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
CLASS_SPEC = {"class": ArraySpec("int32", (None,))}
SPECS = {name: {"inputs": TEXT_SPEC, "targets": CLASS_SPEC if name == "size" else TEXT_SPEC} for name in PROBLEMS}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2,"
    "dropout=0.1,balance_loss=0.1,label_smoothing=0.2,clip_grad_norm=0.5"
)
SEED = 5


@dataclass
class Run:
    """A net with its optimizer and steps, which can be taken back to where it began."""

    net: Net
    adam: Optimizer
    steps: Steps
    start: dict[str, np.ndarray]

    def tensors(self):
        return self.net.tensors() | self.adam.tensors()

    def back(self):
        self.net.restore(self.start)
        self.adam.restore(self.start)

    def train(self, problem, step=1, multiplier=1.0, **kwargs):
        return self.steps.train([batch(problem, **kwargs)], step, 0.01, multiplier)


@pytest.fixture(scope="module")
def made():
    keras.utils.set_random_seed(1)
    net = Net(PROBLEMS, HPARAMS)
    net.build()
    adam = Optimizer(net.trainable_variables, net.commands, HPARAMS.training)
    run = Run(net, adam, Steps(net, adam, SPECS, HPARAMS.training, SEED), {})
    run.start = run.tensors()
    return run


@pytest.fixture
def run(made):
    made.back()
    return made


def text(lengths, most, seed):
    ids_BL = np.random.default_rng(seed).integers(2, 9, (len(lengths), most), dtype="int32")
    ids_BL[np.arange(most)[None] >= np.array(lengths)[:, None]] = 0
    return {"ids": ids_BL, "lengths": np.array(lengths, "int32")}


def batch(problem, lengths=(4, 2, 0), most=5):
    """Rows of text of these lengths, of which those of length 0 hold no example."""
    real = sum(length > 0 for length in lengths)
    targets = text(lengths, most, 1)
    if problem == "size":
        targets = {"class": np.array([i % 3 if i < real else -1 for i in range(len(lengths))], "int32")}
    ids = tuple(f"train/{i}" for i in range(real))
    return Batch(problem, 0, ids, {"inputs": text(lengths, most, 0), "targets": targets})


def moved_units(before, after):
    """Units whose weights, moments or counts differ; of the table of commands the rows' names."""
    paths = [name for name in before if not np.array_equal(before[name], after[name])]
    return {path.removeprefix("steps/") if path.startswith("steps/") else unit_of(path) for path in paths}


def test_a_step_moves_what_its_problem_uses_and_nothing_another_owns(run):
    run.train("to_german")
    run.train("to_french", step=2)
    before = run.tensors()
    run.train("size", step=3)
    after_size = run.tensors()
    assert moved_units(before, after_size) == {
        "body/encoder",
        "text_words/embed",
        "label_size/line",
        "label_size/score",
    }
    run.train("to_german", step=4)
    assert moved_units(after_size, run.tensors()) == {
        "body/encoder",
        "body/mixer",
        "body/decoder",
        "text_words/embed",
        "text_words/score",
        "commands/to-german",
    }


def test_steps_are_counted_for_each_net(run):
    for step, problem in enumerate(["to_german", "to_french", "to_german", "size"], start=1):
        run.train(problem, step=step)
    counts = {name: float(count[0]) for name, count in run.adam.tensors().items() if name.startswith("steps/")}
    assert counts == {
        "steps/body/encoder": 4,
        "steps/body/mixer": 3,
        "steps/body/decoder": 3,
        "steps/text_words/embed": 4,
        "steps/text_words/score": 3,
        "steps/label_size/grid": 0,
        "steps/label_size/line": 1,
        "steps/label_size/score": 1,
        "steps/commands/to-german": 2,
        "steps/commands/to-french": 1,
        "steps/commands/to-label": 0,
    }


def test_problems_of_one_kind_share_one_trace_for_all_shapes_or_for_each(run):
    run.train("to_german")
    traced = run.steps.traced
    run.train("to_french")
    assert run.steps.traced == traced
    run.train("to_french", lengths=(7, 7), most=9)
    run.train("to_german", lengths=(7, 6), most=9)
    assert run.steps.traced == traced + (keras.backend.backend() == "jax")


def test_free_pages_are_handed_back_after_a_trace_and_every_few_seconds(run, monkeypatch):
    run.train("to_german")
    returned, clock = [], [100.0]
    monkeypatch.setattr("t2t_mm.train.step.steps.return_free_pages", lambda: returned.append(clock[0]))
    monkeypatch.setattr("t2t_mm.train.step.steps.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(run.steps, "_returned", 99.0)
    for now in (100.0, 102.9, 103.1, 106.0, 107.2):  # more than four seconds after 99, then after 103.1
        clock[0] = now
        run.train("to_german")
    assert returned == [103.1, 107.2]


@pytest.mark.parametrize("problem", ["to_german", "size"])
def test_the_reported_loss_is_unsmoothed_and_without_penalties(run, problem):
    forward = Forward(Noise(np.uint32(zlib.crc32(f"{SEED} step 3".encode()))))
    loss = run.net.loss(problem, batch(problem).arrays, np.int32(run.net.command(problem)), forward, 0.0)
    stepped = run.train(problem, step=3)
    assert float(stepped.nats) == pytest.approx(float(loss.nats) / float(loss.count), rel=1e-4)
    assert forward.penalties and forward.reports.keys() == stepped.reports.keys()


@pytest.mark.parametrize("problem", ["to_german", "size"])
@pytest.mark.parametrize(("multiplier", "clips"), [(3.0, True), (0.01, False)])
def test_what_is_minimised_is_the_smoothed_loss_times_the_multiplier_and_the_penalties(
    run, problem, multiplier, clips, gradients
):
    def objective():
        forward = Forward(Noise(np.uint32(zlib.crc32(f"{SEED} step 3".encode()))))
        loss = run.net.loss(problem, batch(problem).arrays, np.int32(run.net.command(problem)), forward, 0.2)
        return multiplier * loss.objective / loss.count + sum(forward.penalties.values())

    right = gradients(objective, run.net.trainable_variables)
    norm = np.sqrt(sum((gradient**2).sum() for gradient in right.values()))
    assert (norm > 0.5) == clips
    stepped = run.train(problem, step=3, multiplier=multiplier)
    assert float(stepped.gradient_norm) == pytest.approx(norm, rel=1e-3)
    moments = run.adam.tensors()
    for path in ("body/encoder/experts/gate", "body/encoder/block_1/step_1/pointwise", "text_words/embed/rows"):
        expected = right[f"net/{path}"] * min(1, 0.5 / norm)
        found = moments[f"net/{path}/m"] / (1 - HPARAMS.training.adam_beta1)
        assert abs(expected).max() > 1e-6
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)


def test_a_step_repeats_its_noise_and_another_step_does_not(run):
    results = []
    for step in (7, 7, 8):
        run.back()
        run.train("to_german", step=step)
        results.append(run.tensors())
    assert not moved_units(results[0], results[1])
    assert "body/encoder" in moved_units(results[0], results[2])


def test_judging_gives_the_sums_of_each_example_and_of_no_empty_row(run):
    german = batch("to_german")
    sums = run.steps.evaluate_batch(german, ["neg_log_perplexity", "accuracy_per_sequence"])
    assert sums.keys() == {"neg_log_perplexity", "accuracy_per_sequence"}
    np.testing.assert_array_equal(sums["neg_log_perplexity"][:, 1], [4, 2])
    loss = run.net.loss("to_german", german.arrays, np.int32(run.net.command("to_german")), Forward(), 0.0)
    assert -sums["neg_log_perplexity"][:, 0].sum() == pytest.approx(float(loss.nats), rel=1e-4)


def test_judging_moves_nothing(run):
    before = run.tensors()
    run.steps.evaluate_batch(batch("to_german"), ["neg_log_perplexity", "accuracy_per_sequence"])
    assert not moved_units(before, run.tensors())


def test_training_on_one_batch_brings_its_loss_down(run):
    losses = [float(run.train("size", step=step).nats) for step in range(1, 31)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_another_backend_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UserError, match="KERAS_BACKEND=torch; set KERAS_BACKEND=tensorflow"):
        Steps(None, None, {}, HPARAMS.training, 0)
