"""Encoder and decoder as inner functions: traced once for all kinds of problem, and a step says what it said before."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from t2t_mm.data.input.batch import Batch
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.layer import Layer
from t2t_mm.models.multimodel import body as multimodel
from t2t_mm.models.net import Net
from t2t_mm.models.transformer import body as transformer
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.shared_graphs import SharedGraphs
from t2t_mm.train.step.steps import Steps
from t2t_mm.train.step.tensorflow_steps import TensorFlowCompiler

WORDS, TREES, SIZE = Port("text", "text_words", 9), Port("text", "text_trees", 7), Port("label", "label_size", 3)
PROBLEMS = {
    "translate": Signature(WORDS, WORDS, "to-german"),
    "parse": Signature(WORDS, TREES, "to-parse"),
    "size": Signature(WORDS, SIZE, "to-label"),
}
TEXT_SPEC = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
CLASS_SPEC = {"class": ArraySpec("int32", (None,))}
SPECS = {name: {"inputs": TEXT_SPEC, "targets": CLASS_SPEC if name == "size" else TEXT_SPEC} for name in PROBLEMS}
SETS = {
    "multimodel_demo": "encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,dropout=0.1",
    "transformer_tiny": "encoder_layers=1,decoder_layers=1,filter_size=6,positions=learned,max_positions=8",
}


@pytest.fixture(params=SETS)
def run(request):
    """A net, its optimizer and its steps."""
    keras.utils.set_random_seed(1)
    hparams = HPARAM_SETS[request.param]().override(
        f"hidden_size=8,attention_heads=2,clip_grad_norm=0,{SETS[request.param]}"
    )
    net = Net(PROBLEMS, hparams)
    net.build()
    optimizer = Optimizer(net.trainable_variables, net.commands, hparams.training)
    return net, optimizer, Steps(net, optimizer, SPECS, hparams.training, seed=5)


def batch(problem, length):
    text = {"ids": np.full((2, length), 3, "int32"), "lengths": np.array([length, 2], "int32")}
    targets = {"class": np.array([0, 2], "int32")} if problem == "size" else text
    return Batch(problem, 0, ("a", "b"), {"inputs": text, "targets": targets})


@pytest.fixture
def traced(monkeypatch):
    """How often each part was gone through in Python."""
    counts: Counter[str] = Counter()
    for part in (multimodel.Encoder, multimodel.Decoder, transformer.Encoder, transformer.Decoder):

        def call(self, *given, part=part, through=part.call):
            counts[part.__name__] += 1
            return through(self, *given)

        monkeypatch.setattr(part, "call", call)
    return counts


def test_kinds_and_lengths_share_one_trace_of_each_part_and_a_step_is_what_it_is_operation_by_operation(run, traced):
    net, optimizer, steps = run
    start = net.tensors() | optimizer.tensors()
    for step, (problem, length) in enumerate([("translate", 4), ("parse", 4), ("size", 4), ("translate", 7)], start=1):
        assert np.isfinite(float(steps.train([batch(problem, length)], step, 0.01, 1.0).nats))
    assert steps.traced == 3
    assert traced == {"Encoder": 1, "Decoder": 1}
    steps.evaluate_batch(batch("translate", 4), ["accuracy"])
    steps.evaluate_batch(batch("size", 5), ["accuracy"])
    assert traced == {"Encoder": 2, "Decoder": 2}  # without dropout they are others

    net.restore(start)
    optimizer.restore(start)
    assert_steps_are_what_they_are_operation_by_operation(optimizer, steps)


def assert_steps_are_what_they_are_operation_by_operation(optimizer, steps):
    for step, problem in enumerate(PROBLEMS, start=1):
        one, before = batch(problem, 5), optimizer.tensors()
        nats, gradients = steps.loss(one, step, 0, 1.0), steps.gradients(one, step, 0, 1.0)
        stepped, beta = steps.train([one], step, 0.0, 1.0), optimizer.hparams.adam_beta1
        assert float(stepped.nats) == pytest.approx(float(nats), rel=1e-5)
        after = optimizer.tensors()
        norm = float(stepped.gradient_norm)
        for path in (path for path in gradients if not path.startswith("net/commands")):
            moment = (after[f"{path}/m"] - beta * before[f"{path}/m"]) / (1 - beta)
            np.testing.assert_allclose(moment, gradients[path], rtol=1e-3, atol=1e-5 * norm, err_msg=path)


def test_one_kind_alone_has_nothing_to_share():
    net = Net({name: PROBLEMS["translate"] for name in ("translate", "back")}, HPARAM_SETS["multimodel_demo"]())
    optimizer = Optimizer([], net.commands, net.hparams.training)
    assert TensorFlowCompiler(net, optimizer, net.hparams.training).inner is None


class Doubled(Layer):
    """A weight of its own, added to what it is given."""

    def build(self, start):
        self.added = self.add_weight(shape=(), initializer=keras.initializers.Constant(start), name="added")

    def through(self, x, forward):
        if forward.training:
            forward.reports[f"{self.path}/added"] = ops.convert_to_tensor(self.added)
        return x + self.added


def test_two_layers_of_one_class_are_two_parts():
    layers = [Doubled(name="one"), Doubled(name="two")]
    for start, layer in enumerate(layers, start=1):
        layer.build(start)
    inner = SharedGraphs()

    @tf.function
    def sums(x):
        forward = Forward(Noise(tf.constant(0, "uint32")), inner=inner)
        return [forward.once(layer.through, x) for layer in layers], forward.reports

    (one, two), reports = sums(tf.zeros((1, 1)))
    assert (float(one[0, 0]), float(two[0, 0])) == (1, 2)
    assert {name.split("/")[0]: float(value) for name, value in reports.items()} == {"one": 1, "two": 2}
