"""The modality net of text."""

import keras
import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.text import Text
from t2t_mm.registry import HPARAM_SETS

IDS_BL = np.array([[5, 3, 1, 0], [2, 1, 9, 10]], "int32")  # the second row's pads are noise
LENGTHS_B = np.array([3, 2], "int32")
REAL_BL = np.array([[True, True, True, False], [True, True, False, False]])
ARRAYS = {"ids": IDS_BL, "lengths": LENGTHS_B}


def make(size=11, width=4, tied=False):
    hparams = HPARAM_SETS["multimodel_demo"]().with_values({"shared_embedding_and_softmax_weights": tied})
    net = Text(Port("text", "text_words", size), width, hparams, name="text_words")
    net.build()
    return net


def test_words_become_their_vector_times_the_root_of_the_width_and_pads_zero(scrambled):
    net = scrambled(make())
    for bottom in (net.bottom, net.targets_bottom):
        seq = bottom(ARRAYS, Forward())
        np.testing.assert_array_equal(seq.real_BL, REAL_BL)
        vectors_BLD = ops.convert_to_numpy(seq.values_BLD)
        np.testing.assert_allclose(vectors_BLD[REAL_BL], 2 * net.embed.rows_VD.numpy()[IDS_BL[REAL_BL]], rtol=1e-6)
        assert not vectors_BLD[~REAL_BL].any()


def test_embeddings_have_unit_variance_at_the_start():
    keras.utils.set_random_seed(0)
    net = make(size=1000, width=64)
    seq = net.bottom({"ids": np.arange(1000, dtype="int32")[None], "lengths": np.array([1000])}, Forward())
    assert ops.convert_to_numpy(seq.values_BLD).std() == pytest.approx(1, rel=0.02)


def test_top_scores_a_word_by_its_own_vector():
    net = make()
    net.score.rows_VD.assign(np.eye(11, 4))  # word i answers to axis i
    logits_BLV = ops.convert_to_numpy(net.top(Seq(ops.convert_to_tensor(np.eye(4, dtype="float32")[None]), None)))
    np.testing.assert_array_equal(logits_BLV[0], np.eye(4, 11))


def test_the_loss_sums_real_words_alone_and_counts_them(scrambled):
    net, body_BLD = scrambled(make()), drawn(2, 4, 4)
    logits_BLV = body_BLD @ net.score.rows_VD.numpy().T
    log_probs_BLV = logits_BLV - np.log(np.exp(logits_BLV).sum(axis=-1, keepdims=True))
    nats_BL = -np.take_along_axis(log_probs_BLV, IDS_BL[..., None], axis=-1)[..., 0]
    loss = net.loss(Seq(ops.convert_to_tensor(body_BLD), None), ARRAYS, 0.2)
    assert float(loss.count) == 5
    assert float(loss.nats) == pytest.approx(nats_BL[REAL_BL].sum(), rel=1e-5)
    smoothed_BL = 0.8 * nats_BL - 0.2 * log_probs_BLV.mean(axis=-1)
    assert float(loss.objective) == pytest.approx(smoothed_BL[REAL_BL].sum(), rel=1e-5)


def test_noise_and_any_number_of_pads_leave_the_loss_as_it_is(scrambled):
    net, body_BLD = scrambled(make()), drawn(2, 9, 4)
    one = net.loss(Seq(ops.convert_to_tensor(body_BLD[:, :4]), None), ARRAYS, 0.1)
    noise_BL = np.random.default_rng(0).integers(0, 11, (2, 9), dtype="int32")
    noise_BL[:, :4] = np.where(REAL_BL, IDS_BL, noise_BL[:, :4])
    other = net.loss(Seq(ops.convert_to_tensor(body_BLD), None), {"ids": noise_BL, "lengths": LENGTHS_B}, 0.1)
    for field in ("objective", "nats", "count"):
        assert float(getattr(one, field)) == pytest.approx(float(getattr(other, field)), rel=1e-6)


def test_labels_are_the_ids_and_which_of_them_are_real():
    labels_BL, real_BL = make().labels(ARRAYS)
    np.testing.assert_array_equal(labels_BL, IDS_BL)
    np.testing.assert_array_equal(real_BL, REAL_BL)


def test_the_first_loss_of_8192_words_is_about_ln_8192():
    keras.utils.set_random_seed(0)
    net = make(size=8192, width=64)
    body_BLD = drawn(1, 50, 64)  # of unit variance, as the body's closing norm makes it
    ids_BL = np.random.default_rng(1).integers(8192, size=(1, 50), dtype="int32")
    loss = net.loss(Seq(ops.convert_to_tensor(body_BLD), None), {"ids": ids_BL, "lengths": np.array([50])}, 0.1)
    assert float(loss.nats) / 50 == pytest.approx(np.log(8192), rel=0.1)


def test_a_shared_table_embeds_and_scores(scrambled):
    net = scrambled(make(tied=True))
    [rows] = net.trainable_variables
    assert rows.path == "text_words/embed/rows"
    vector_D = ops.convert_to_numpy(net.vectors(ops.convert_to_tensor([7])))[0]
    np.testing.assert_allclose(vector_D, 2 * rows.numpy()[7], rtol=1e-6)
    logits_V = ops.convert_to_numpy(net.top(Seq(ops.convert_to_tensor([[[1.0, 0, 0, 0]]]), None)))[0, 0]
    np.testing.assert_allclose(logits_V, rows.numpy()[:, 0], rtol=1e-6)
    body_BLD = drawn(2, 4, 4)
    logits_BLV = body_BLD @ rows.numpy().T
    log_probs_BLV = logits_BLV - np.log(np.exp(logits_BLV).sum(axis=-1, keepdims=True))
    nats_BL = -np.take_along_axis(log_probs_BLV, IDS_BL[..., None], axis=-1)[..., 0]
    loss = net.loss(Seq(ops.convert_to_tensor(body_BLD), None), ARRAYS, 0.0)
    assert float(loss.nats) == pytest.approx(nats_BL[REAL_BL].sum(), rel=1e-5)
