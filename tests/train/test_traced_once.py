"""Encoder and decoder as inner functions: traced once for all kinds of problem, and a step says what it said before."""

from collections import Counter

import keras
import numpy as np
import pytest

from t2t_mm.data.batch import Batch
from t2t_mm.models.multimodel.decoder import Decoder
from t2t_mm.models.multimodel.encoder import Encoder
from t2t_mm.models.net import Net
from t2t_mm.problem import ArraySpec, Port, Signature
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optimiser import Optimiser
from t2t_mm.train.step import Steps

WORDS, TREES, SIZE = Port("text", "text_words", 9), Port("text", "text_trees", 7), Port("label", "label_size", 3)
PROBLEMS = {
    "translate": Signature(WORDS, WORDS, "to-german"),
    "parse": Signature(WORDS, TREES, "to-parse"),
    "size": Signature(WORDS, SIZE, "to-label"),
}
TEXT_SPEC = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
CLASS_SPEC = {"class": ArraySpec("int32", (None,))}
SPECS = {name: {"inputs": TEXT_SPEC, "targets": CLASS_SPEC if name == "size" else TEXT_SPEC} for name in PROBLEMS}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2,dropout=0.1"
)

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX compiles each program as a whole")


@pytest.fixture(scope="module")
def steps():
    keras.utils.set_random_seed(1)
    net = Net(PROBLEMS, HPARAMS)
    net.build()
    optimiser = Optimiser(net.trainable_variables, net.commands, HPARAMS.training)
    return Steps(net, optimiser, SPECS, HPARAMS.training, seed=5)


def batch(problem, length):
    text = {"ids": np.full((2, length), 3, "int32"), "lengths": np.array([length, 2], "int32")}
    targets = {"class": np.array([0, 2], "int32")} if problem == "size" else text
    return Batch(problem, 0, ("a", "b"), {"inputs": text, "targets": targets})


@pytest.fixture
def traced(monkeypatch):
    """How often each part was gone through in Python."""
    counts: Counter[str] = Counter()
    for part in (Encoder, Decoder):

        def call(self, *given, part=part, through=part.call):
            counts[part.__name__] += 1
            return through(self, *given)

        monkeypatch.setattr(part, "call", call)
    return counts


def test_three_kinds_and_all_lengths_share_one_trace_of_each_part(steps, traced):
    for step, (problem, length) in enumerate([("translate", 4), ("parse", 4), ("size", 4), ("translate", 7)], start=1):
        assert np.isfinite(float(steps.train(batch(problem, length), step, 0.01, 1.0).nats))
    assert steps.traced == 3
    assert traced == {"Encoder": 1, "Decoder": 1}
    steps.judge(batch("translate", 4), ["accuracy"])
    steps.judge(batch("size", 5), ["accuracy"])
    assert traced == {"Encoder": 2, "Decoder": 2}  # without dropout they are others


def test_a_step_is_what_it_is_operation_by_operation(steps):
    for problem in PROBLEMS:
        given = batch(problem, 5), 9
        one_by_one = steps.gradients(*given, 0, 1.0)
        nats, norm = steps.loss(*given, 0, 1.0), np.sqrt(sum(np.sum(np.square(g)) for g in one_by_one.values()))
        stepped = steps.train(*given, 0.0, 1.0)
        assert float(stepped.nats) == pytest.approx(float(nats), rel=1e-5)
        assert float(stepped.gradient_norm) == pytest.approx(float(norm), rel=1e-4)
        assert {name.rpartition("/")[2] for name in stepped.reports} == {"overflow", "importance"}
