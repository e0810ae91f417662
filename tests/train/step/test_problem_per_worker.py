"""Steps of several workers with a problem each, played by one process: what moves, by how much, and what does not."""

from functools import cache

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("workers take a problem each on TensorFlow alone", allow_module_level=True)
from t2t_mm.data.input.batch import Batch
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

WORDS, SIZE = Port("text", "text_words", 9), Port("label", "label_size", 3)
PROBLEMS = {
    "to_german": Signature(WORDS, WORDS, "to-german"),
    "size": Signature(WORDS, SIZE, "to-label"),
    "to_french": Signature(WORDS, WORDS, "to-french"),
}
TEXT = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
CLASS = {"class": ArraySpec("int32", (None,))}
SPECS = {name: {"inputs": TEXT, "targets": CLASS if name == "size" else TEXT} for name in PROBLEMS}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=3,expert_size=4,attention=False,dropout=0,"
    "balance_loss=0.1,optimizer=momentum,momentum=0,clip_grad_norm=0"
)
RATE = 0.5


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Steps computed operation by operation: a few of them take less time than a compilation."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class Run:
    """A net with its optimizer and the steps of two workers; all begin with the same weights."""

    def __init__(self, changes: str) -> None:
        hparams = HPARAMS.override(changes)
        self.net = Net(PROBLEMS, hparams)
        self.net.build()
        self.optimizer = Optimizer(self.net.trainable_variables, self.net.commands, hparams.training)
        self.steps = Steps(self.net, self.optimizer, SPECS, hparams.training, seed=0, workers=2)
        self.start = {path: np.zeros_like(value) for path, value in self.optimizer.tensors().items()}
        for seed, (path, value) in enumerate(sorted(self.net.tensors().items())):
            self.start[path] = np.random.default_rng(seed).normal(0, 0.3, value.shape).astype("float32")

    def back(self):
        self.net.restore(self.start)
        self.optimizer.restore(self.start)
        return self

    def tensors(self):
        return self.net.tensors() | self.optimizer.tensors()

    def train(self, *problems, step=1, multipliers=(1.0, 1.0), batches=1):
        taken = [[batch(name, rows) for rows in (range(6), range(3, 6))[:batches]] for name in problems]
        return self.steps.train_per_worker(taken, step, RATE, multipliers)

    def gradients(self, problem, number=0, step=1, rows=range(6)):
        """By name in a checkpoint."""
        from t2t_mm.models.net import split_commands

        found = self.steps.gradients(batch(problem, rows), step, number, 1.0)
        return split_commands({path: np.array(one) for path, one in found.items()}, self.net.commands)


@cache
def made(changes):
    return Run(changes)


def run_of(changes=""):
    return made(changes).back()


def batch(problem, rows=range(6)):
    """Some rows of six, which differ in length."""
    rng = np.random.default_rng(0)
    lengths_B = rng.integers(1, 6, 6).astype("int32")
    ids_BL = np.where(np.arange(5) < lengths_B[:, None], rng.integers(2, 9, (6, 5)), 0).astype("int32")
    text = {"ids": ids_BL[list(rows)], "lengths": lengths_B[list(rows)]}
    targets = {"class": np.arange(6, dtype="int32")[list(rows)] % 3} if problem == "size" else text
    return Batch(problem, 0, tuple(f"train/{row}" for row in rows), {"inputs": text, "targets": targets})


def norm(gradients):
    return np.sqrt(sum(np.square(one).sum() for one in gradients.values()))


def test_weights_move_by_the_mean_of_the_workers_gradients_and_others_not_at_all():
    run = run_of()
    first, second = run.gradients("to_german"), run.gradients("size", number=1)
    said = run.train("to_german", "size")
    assert [each.gradient_norm for each in said] == pytest.approx([norm(first), norm(second)], rel=1e-4)
    after, still = run.tensors(), []
    for name in run.net.tensors():
        parts = [each[name] for each in (first, second) if name in each and np.any(each[name])]
        np.testing.assert_allclose(after[name], run.start[name] - RATE * sum(parts) / 2, rtol=1e-4, atol=1e-6)
        if not parts:
            np.testing.assert_array_equal(after[name], run.start[name])
            still.append(name)
    assert "net/commands/to-french" in still
    counts = {name: value.item() for name, value in after.items() if name.startswith("steps/")}
    # there are no images, and a class is found without a command
    idle = {"steps/commands/to-french", "steps/commands/to-label", "steps/label_size/grid"}
    assert {name for name, count in counts.items() if count == 0} == idle and set(counts.values()) == {0, 1}


def test_what_no_worker_used_keeps_its_bits_slots_and_counts():
    run = run_of("optimizer=adam,weight_decay=0.01,ema_decay=0.9")
    run.train("to_german", "size")
    before = run.tensors()
    run.train("to_french", "to_french", step=2)
    after = run.tensors()
    counts = {"commands/to-french": 1, "commands/to-german": 1, "label_size/line": 1, "body/decoder": 2}
    assert {name: after[f"steps/{name}"].item() for name in counts} == counts
    gradients = run.gradients("to_french")
    used = {name for name, one in gradients.items() if np.any(one) or not name.startswith("net/commands/")}
    assert "net/commands/to-french" in used and "net/commands/to-german" not in used
    for name, value in before.items():
        weight = name.rsplit("/", 1)[0] if name.rsplit("/", 1)[-1] in ("m", "v", "average") else name
        if not name.startswith("steps/"):
            assert np.array_equal(value, after[name]) or weight in used, name
    assert not np.array_equal(before["net/commands/to-french"], after["net/commands/to-french"])


def test_the_mean_is_clipped_once():
    run = run_of("clip_grad_norm=0.01")
    run.train("to_german", "size")
    after = run.net.tensors()
    moved = {name: (run.start[name] - after[name]) / RATE for name in after}
    assert norm(moved) == pytest.approx(0.01, rel=1e-3)


def test_two_workers_with_one_problem_do_what_one_does_twice():
    run = run_of()
    right = run.gradients("size"), run.gradients("size", number=1)
    run.train("size", "size")
    after = run.net.tensors()
    for name in right[0]:
        mean = (right[0][name] + right[1][name]) / 2
        np.testing.assert_allclose(after[name], run.start[name] - RATE * mean, rtol=1e-4, atol=1e-6)


def test_several_batches_of_a_worker_count_by_their_targets():
    run = run_of("accumulate_batches=2")
    parts = [run.gradients("size", number=2), run.gradients("size", number=3, rows=range(3, 6))]
    run.train("to_german", "size", batches=2)
    name = next(name for name in parts[0] if "label_size" in name)
    right = run.start[name] - RATE * (2 / 3 * parts[0][name] + 1 / 3 * parts[1][name]) / 2
    np.testing.assert_allclose(run.net.tensors()[name], right, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_number_that_is_not_finite_names_its_worker_and_moves_nothing():
    run = run_of("optimizer=adam,ema_decay=0.9")
    before = run.tensors()
    first, second = run.train("to_german", "size", multipliers=(1.0, np.nan))
    assert np.isfinite([first.nats, first.gradient_norm]).all() and not np.isfinite(second.gradient_norm)
    run.train("to_german", "to_french", step=2)  # sound, but the step before was not
    assert all(np.array_equal(value, run.tensors()[name]) for name, value in before.items())
    run.steps.go_on()
    run.train("to_german", "to_french", step=2)
    assert not np.array_equal(run.tensors()["net/commands/to-french"], before["net/commands/to-french"])
