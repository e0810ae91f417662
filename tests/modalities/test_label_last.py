"""Classes from the last state, and scans as a body reads them."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.label_last import LabelLast
from t2t_mm.modalities.scan import Scan, ScanPlain
from t2t_mm.registry import HPARAM_SETS

HPARAMS = HPARAM_SETS["bn_lstm_rows"]()
MEMORY_BLD = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
REAL_BL = np.arange(4)[None] < np.array([4, 2, 1])[:, None]


@pytest.fixture
def head(scrambled):
    made = LabelLast(Port("label", "label_size", 3), 2, HPARAMS, name="label_size")
    made.build()
    return scrambled(made)


def test_the_softmax_reads_the_last_real_vector_and_has_a_bias(head):
    logits_BC = ops.convert_to_numpy(head.top(Seq(ops.convert_to_tensor(MEMORY_BLD), ops.convert_to_tensor(REAL_BL))))
    last_BD = MEMORY_BLD[[0, 1, 2], [3, 1, 0]]
    right_BC = last_BD @ head.score.rows_CN.numpy().T + head.score.shift_C.numpy()
    np.testing.assert_allclose(logits_BC[:, 0], right_BC, rtol=1e-5)


def test_the_loss_leaves_empty_rows_out(head):
    memory = Seq(ops.convert_to_tensor(MEMORY_BLD), ops.convert_to_tensor(REAL_BL))
    logits_BC = ops.convert_to_numpy(head.top(memory))[:, 0]
    nats_B = np.log(np.exp(logits_BC).sum(axis=1)) - logits_BC[[0, 1, 2], [2, 0, 0]]
    loss = head.loss(memory, {"class": np.array([2, 0, -1], "int32")}, 0.0)
    assert float(loss.nats) == pytest.approx(nats_B[:2].sum(), rel=1e-4)
    assert float(loss.count) == 2


def test_the_rows_start_orthogonal_and_the_bias_at_zero():
    made = LabelLast(Port("label", "label_size", 3), 5, HPARAMS, name="label_size")
    made.build()
    rows_CD = made.score.rows_CN.numpy()
    np.testing.assert_allclose(rows_CD @ rows_CD.T, np.eye(3), atol=1e-5)
    assert not made.score.shift_C.numpy().any()


ROWS = Port("scan", "scan_2", 2)
SCANS = {"values": np.array([[[0, 255], [51, 0]], [[9, 9], [9, 9]]], "uint8"), "lengths": np.array([2, 0], "int32")}


def test_a_plain_scan_is_the_numbers_and_nothing_behind_them():
    net = ScanPlain(ROWS, 3, HPARAMS, name="scan_2")
    net.build()
    source = net.bottom(SCANS, Forward())
    np.testing.assert_allclose(ops.convert_to_numpy(source.values_BLD)[0], [[0, 1, 0], [0.2, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(ops.convert_to_numpy(source.real_BL), [[True, True], [False, False]])
    assert not ops.convert_to_numpy(source.values_BLD)[1].any() and not net.weights


def test_a_scan_for_other_bodies_is_projected(scrambled):
    net = Scan(ROWS, 3, HPARAMS, name="scan_2")
    net.build()
    scrambled(net)
    vectors_LD = ops.convert_to_numpy(net.bottom(SCANS, Forward()).values_BLD)[0]
    right_LD = np.array([[0, 1], [0.2, 0]]) @ net.weight_CD.numpy() + net.shift_D.numpy()
    np.testing.assert_allclose(vectors_LD, right_LD, rtol=1e-5)


def test_more_numbers_at_once_than_channels_are_refused():
    with pytest.raises(
        UserError, match="hidden_size must be at least 2, the numbers read at each position. Received: 1"
    ):
        ScanPlain(ROWS, 1, HPARAMS, name="scan_2")
