"""The target net of text by CTC."""

import keras
import numpy as np
import pytest
from building_blocks import built
from keras import ops

from t2t_mm.feature import Port
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.text import Text
from t2t_mm.modalities.text_ctc import TextCtc, text_or_ctc
from t2t_mm.registry import HPARAM_SETS, MODALITIES

WIDTH, WORDS, MOMENTS = 6, 9, 10
PORT = Port("text", "text_words", WORDS)


def made(scrambled, way_out="ctc"):
    hparams = HPARAM_SETS["conformer_tiny"]().override(f"hidden_size=8,way_out={way_out}")
    return scrambled(built(text_or_ctc(PORT, WIDTH, hparams, name="text_words")))


def memory(lengths=(MOMENTS, 6), seed=0):
    values_BFD = np.random.default_rng(seed).normal(size=(len(lengths), MOMENTS, WIDTH)).astype("float32")
    return Seq(
        ops.convert_to_tensor(values_BFD), ops.convert_to_tensor(np.arange(MOMENTS) < np.array(lengths)[:, None])
    )


TARGETS = {"ids": np.array([[3, 3, 5, 1], [7, 2, 1, 0]], "int32"), "lengths": np.array([4, 3], "int32")}


def logits(tensor):
    return ops.convert_to_numpy(ops.log_softmax(tensor, axis=-1))


def test_the_hparam_way_out_selects_the_net(scrambled):
    assert MODALITIES["text_or_ctc"] is text_or_ctc
    assert type(made(scrambled, "decoder")) is Text
    net = made(scrambled)
    assert type(net) is TextCtc
    assert [weight.path for weight in net.weights] == ["text_words/score/rows"]


def test_the_loss_is_that_of_the_teacher_forced_logits(scrambled):
    net = made(scrambled)
    loss = net.loss(memory(), TARGETS, 0.1)
    labels_BL, real_BL = (ops.convert_to_numpy(part) for part in net.labels(TARGETS))
    nats_BL = -np.take_along_axis(logits(net.target_logits(memory(), TARGETS)), labels_BL[..., None], axis=-1)[..., 0]
    assert float(loss.nats) == float(loss.objective) == pytest.approx(nats_BL[real_BL].sum(), rel=1e-4)
    assert float(loss.count) == 7


def test_a_line_of_more_ids_than_moments_has_no_part_in_the_loss(scrambled):
    net = made(scrambled)
    whole, short = (
        net.loss(memory(lengths), TARGETS, 0.0) for lengths in ((MOMENTS, 6), (3, 6))
    )  # 3 3 5: four moments
    assert float(short.count) == 3
    assert 0 < float(short.nats) < float(whole.nats)
    nats_BL = -np.take_along_axis(
        logits(net.target_logits(memory((3, 6)), TARGETS)), TARGETS["ids"][..., None], axis=-1
    )
    assert np.isfinite(nats_BL).all() and 60 < nats_BL[0].sum() < 200


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_an_impossible_line_leaves_the_gradient_finite(scrambled):
    import tensorflow as tf

    net = made(scrambled)
    with tf.GradientTape() as tape:
        objective = net.loss(memory((3, 6)), TARGETS, 0.0).objective
    gradient = tf.convert_to_tensor(tape.gradient(objective, net.score.rows_VD.value)).numpy()
    assert np.isfinite(gradient).all() and abs(gradient).max() > 1e-3


def test_step_by_step_gives_the_teacher_forced_logits(scrambled):
    net = made(scrambled)
    whole_BLV = logits(net.target_logits(memory(), TARGETS))
    state, ids_R1 = net.start(memory(), 4, 1), np.zeros((2, 1), "int32")
    for t in range(4):
        logits_RV, state = net.step(state, ids_R1)
        real_B = t < TARGETS["lengths"]
        np.testing.assert_allclose(logits(logits_RV)[real_B], whole_BLV[real_B, t], atol=1e-4)
        ids_R1 = TARGETS["ids"][:, t : t + 1]


def test_a_selected_beam_continues_the_other(scrambled):
    net = made(scrambled)
    state = net.start(memory(), 4, 2)
    _, state = net.step(state, np.zeros((4, 1), "int32"))
    _, state = net.step(state, np.array([[3], [5], [7], [2]], "int32"))
    state = net.select(state, np.array([1, 0, 3, 3], "int32"))  # the prefixes 5, 3, 2, 2
    logits_RV, _ = net.step(state, np.array([[2], [3], [2], [7]], "int32"))
    for row, line in enumerate([[5, 2], [3, 3], [2, 2], [2, 7]]):
        one = Seq(memory().values_BLD[row // 2 : row // 2 + 1], memory().real_BL[row // 2 : row // 2 + 1])
        teacher_forced_LV = logits(net.target_logits(one, {"ids": np.array([[*line, 1]], "int32")}))[0]
        np.testing.assert_allclose(logits(logits_RV)[row], teacher_forced_LV[2], atol=1e-4)
