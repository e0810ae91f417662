"""Soft ordering from tables to answers: problems of different columns jointly, each with an order of its own."""

import keras
import numpy as np
import pytest
from small_runs import quiet_config

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.label import Label
from t2t_mm.data.features.vector import Vector
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.data.sources.csv_table import CsvTable
from t2t_mm.decoding.answers import Decoded
from t2t_mm.problem import Problem
from t2t_mm.registry import HPARAM_SETS

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow trains", allow_module_level=True)
from t2t_mm.evaluation.fixed_example import fixed_example
from t2t_mm.train.summaries.activations import ActivationReader
from t2t_mm.train.summaries.problem_summary import problem_summaries
from t2t_mm.train.trainer import Trainer

pytestmark = pytest.mark.slow

HPARAMS = HPARAM_SETS["soft_ordering_uci"]().override("hidden_size=16,dropout=0,learning_rate=0.01")


class Larger(Problem):
    source = CsvTable("larger.csv", columns=2)
    inputs = Vector("larger", ("one", "other"))
    targets = Label("larger", names=("one", "other"))
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


class Sign(Larger):
    source = CsvTable("sign.csv", columns=3)
    inputs = Vector("sign", ("a", "b", "c"))
    targets = Label("sign", names=("minus", "zero", "plus"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    pairs, triples = rng.normal(size=(200, 2)).round(3), rng.normal(size=(200, 3)).round(3)
    (folder / "larger.csv").write_text("".join(f"{a},{b},{'one' if a > b else 'other'}\n" for a, b in pairs))
    kinds = {-1: "minus", 0: "zero", 1: "plus"}
    rows = [(a, b, c, kinds[int(np.sign(a) * (abs(b) > 0.5))]) for a, b, c in triples]
    (folder / "sign.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    problems = {"larger": Larger, "sign": Sign}
    generate(problems, folder / "data", folder, report=lambda line: None)
    return {name: open_problem(name, problem, folder / "data") for name, problem in problems.items()}


def trainer(tables, folder, steps=300):
    return Trainer(tables, HPARAMS, quiet_config(folder, train_steps=steps))


@pytest.fixture(scope="module")
def trained(tables, tmp_path_factory):
    run = trainer(tables, tmp_path_factory.mktemp("run"))
    run.train()
    return run


def test_it_learns_both_tables(trained):
    accuracy = {result.problem: result.metrics["accuracy"] for result in trained.evaluate()}
    assert accuracy["larger"] > 0.9 and accuracy["sign"] > 0.6


def test_each_problem_has_come_to_an_order_of_its_own(trained):
    one, other = (keras.ops.convert_to_numpy(trained.net.body.shares(name)) for name in ("larger", "sign"))
    assert np.abs(one - 0.25).max() > 0.01 and np.abs(one - other).max() > 0.01
    np.testing.assert_allclose(one.sum(axis=0), np.ones(4), rtol=1e-5)


def test_a_step_on_one_problem_leaves_what_is_the_others_alone(trained):
    before = trained.net.tensors()
    trained.steps.train([trained.batches["larger"].batch(0)], 1, 0.01, 1.0)
    moved = {path for path, tensor in trained.net.tensors().items() if (tensor != before[path]).any()}
    trained.net.restore(before)
    assert "net/body/ordering_larger/logits" in moved and any(path.startswith("net/body/core/") for path in moved)
    assert not [path for path in moved if "sign" in path]


def test_a_row_is_answered_with_its_class(trained):
    answers = trained.predict("larger", [["3", "-3"], ["-3", "3"]])
    assert all(isinstance(answer, Decoded) for answer in answers)
    assert [answer.text for answer in answers] == ["one", "other"]


def test_the_picture_of_the_ordering_is_shown(trained, tables):
    ready = tables["sign"]
    shown = problem_summaries(ActivationReader(trained.net, HPARAMS.data), ready, fixed_example(ready))
    assert "ordering-sign/scalings" in shown.images
    assert "a=" in dict(shown.texts["examples-sign/card"])["input"]
