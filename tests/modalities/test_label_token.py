"""The head that reads a class from the class token."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.feature import Port
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.label_token import LabelToken
from t2t_mm.registry import HPARAM_SETS

WIDTH, CLASSES = 2, 3
HPARAMS = HPARAM_SETS["vit_tiny"]()


def make(head="linear"):
    net = LabelToken(Port("label", "label_x", CLASSES), WIDTH, HPARAMS.override(f"label_head={head}"), name="label_x")
    net.build()
    return net


def memory(*tokens):
    """A Seq whose first positions are `tokens`, others behind."""
    values_BLD = np.random.default_rng(0).normal(size=(len(tokens), 4, WIDTH)).astype("float32")
    values_BLD[:, 0] = tokens
    return Seq(ops.convert_to_tensor(values_BLD), ops.ones((len(tokens), 4), "bool"))


def classes(*indices):
    return {"class": np.array(indices, "int32")}


def logits(net, seq):
    return ops.convert_to_numpy(net.top(seq))


def test_logits_by_hand():
    net = make()
    net.score.rows_CE.assign([[1, 0, 0], [0, 2, 10], [1, -1, 0.5]])  # two weights and a bias for each class
    np.testing.assert_allclose(logits(net, memory([3, 4], [0, 0])), [[[3, 18, -0.5]], [[0, 10, 0.5]]], atol=1e-5)


def test_only_the_first_position_is_read():
    net = make()
    net.score.rows_CE.assign([[1, 0, 0], [0, 1, 0], [1, 1, 1]])
    one, other = memory([3, 4]), memory([3, 4])
    other = other.with_values(ops.concatenate([other.values_BLD[:, :1], 9 * other.values_BLD[:, 1:]], axis=1))
    np.testing.assert_array_equal(logits(net, one), logits(net, other))


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_an_untrained_head_prefers_no_class(head, smoothing):
    net = make(head)
    np.testing.assert_array_equal(logits(net, memory([3, 4])), 0)
    result = net.loss(memory([3, 4], [1, 2]), classes(0, 2), smoothing)
    assert float(result.nats) == pytest.approx(2 * np.log(3), rel=1e-6)
    assert float(result.objective) == pytest.approx(2 * np.log(3), rel=1e-6)


def test_the_hidden_layer_is_a_tanh_by_hand():
    net = make("mlp")
    net.hidden.weight_DD.assign([[1, 0], [1, -1]])
    net.hidden.shift_D.assign([0, 0.5])
    net.score.rows_CE.assign([[1, 0, 0], [0, 1, 0], [0, 0, 7]])
    expected = [np.tanh(0.2 + 0.3), np.tanh(-0.3 + 0.5), 7]
    np.testing.assert_allclose(logits(net, memory([0.2, 0.3]))[0, 0], expected, rtol=1e-5)
    assert make("linear").hidden is None


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_that_of_the_logits_and_empty_rows_count_for_nothing(head, smoothing, scrambled):
    net, seq = scrambled(make(head)), memory([3, 4], [-1, 2], [5, 5])
    logits_BC = logits(net, seq)[:, 0]
    log_probs_BC = logits_BC - np.log(np.exp(logits_BC).sum(axis=1, keepdims=True))
    result = net.loss(seq, classes(2, 0, -1), smoothing)
    nats = -(log_probs_BC[0, 2] + log_probs_BC[1, 0])
    assert float(result.nats) == pytest.approx(nats, rel=1e-4) and float(result.count) == 2
    even = -log_probs_BC[:2].mean(axis=1).sum()
    assert float(result.objective) == pytest.approx((1 - smoothing) * nats + smoothing * even, rel=1e-4)


def test_a_row_of_ones_that_carries_the_bias_is_no_weight():
    assert sum(np.prod(weight.shape) for weight in make().trainable_variables) == CLASSES * (WIDTH + 1)
    hidden = WIDTH * (WIDTH + 1)
    assert sum(np.prod(weight.shape) for weight in make("mlp").trainable_variables) == hidden + CLASSES * (WIDTH + 1)


def test_heads_have_paths_of_their_own_so_neither_takes_up_the_others_rows():
    linear, mlp = ({weight.path for weight in make(head).trainable_variables} for head in ("linear", "mlp"))
    assert linear == {"label_x/linear/rows"}
    assert mlp == {"label_x/hidden/weight", "label_x/hidden/shift", "label_x/mlp/rows"}
