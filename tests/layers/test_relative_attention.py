"""Relative attention against its equation, entry by entry."""

import keras
import numpy as np
import pytest
from building_blocks import built, drawn
from keras import ops

from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.relative_attention import RelativeSelfAttention, shifted

WIDTH, HEADS, LENGTH = 8, 2, 5


def made(scrambled, rate=0.0):
    return scrambled(built(RelativeSelfAttention(heads=HEADS, dropout=rate, name="attention"), WIDTH))


def run(layer, x_BLD, real_BL, forward=None):
    return ops.convert_to_numpy(
        layer(ops.convert_to_tensor(x_BLD), ops.convert_to_tensor(real_BL), forward or Forward())
    )


def distance_signal(distance):
    """Return sine and cosine of the distance, interleaved over the channels."""
    angles = distance * 10000.0 ** (-np.arange(0, WIDTH, 2) / WIDTH)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(WIDTH)


def by_equation(layer, x_LD):
    length, size = len(x_LD), WIDTH // HEADS
    context_LD = np.zeros_like(x_LD)
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        q, k, v, r = (w.numpy()[:, part] for w in (layer.query_DD, layer.key_DD, layer.value_DD, layer.distance_DD))
        u, w = layer.content_NK.numpy()[head], layer.distance_NK.numpy()[head]
        scores_LL = np.array(
            [
                [
                    (x_LD[i] @ q + u) @ (x_LD[j] @ k) + (x_LD[i] @ q + w) @ (distance_signal(i - j) @ r)
                    for j in range(length)
                ]
                for i in range(length)
            ]
        ) / np.sqrt(size)
        weights_LL = np.exp(scores_LL) / np.exp(scores_LL).sum(axis=1, keepdims=True)
        context_LD[:, part] = weights_LL @ (x_LD @ v)
    return context_LD @ layer.output_DD.numpy()


def test_shifting_moves_each_distance_to_its_entry():
    length = 3
    columns_R = np.arange(length - 1, -length, -1)  # the distances 2, 1, 0, -1, -2
    x_BNLR = np.broadcast_to(columns_R, (1, 1, length, 2 * length - 1)) + 100.0 * np.arange(length)[:, None]
    out_LL = ops.convert_to_numpy(shifted(ops.convert_to_tensor(x_BNLR.astype("float32"))))[0, 0]
    np.testing.assert_array_equal(out_LL, [[0, -1, -2], [101, 100, 99], [202, 201, 200]])


def test_relative_attention_equals_its_equation(scrambled):
    layer, x_BLD = made(scrambled), drawn(2, LENGTH, WIDTH)
    out_BLD = run(layer, x_BLD, np.ones((2, LENGTH), bool))
    for b in range(2):
        np.testing.assert_allclose(out_BLD[b], by_equation(layer, x_BLD[b]), atol=1e-5)


def test_a_single_position_attends_to_its_own_value(scrambled):
    layer, x_BLD = made(scrambled), drawn(1, 1, WIDTH)
    expected = x_BLD[0] @ layer.value_DD.numpy() @ layer.output_DD.numpy()
    np.testing.assert_allclose(run(layer, x_BLD, np.ones((1, 1), bool))[0], expected, atol=1e-5)


@pytest.mark.parametrize("behind", [1, 20])
def test_noise_in_the_padding_changes_no_relative_attention(behind, scrambled):
    layer, x_BLD = made(scrambled), drawn(2, LENGTH, WIDTH)
    longer_BLD = np.concatenate([x_BLD, 50 * drawn(2, behind, WIDTH, seed=1)], axis=1)
    real_BL = np.repeat(np.arange(LENGTH + behind)[None] < LENGTH, 2, axis=0)
    out_BLD = run(layer, longer_BLD, real_BL)[:, :LENGTH]
    np.testing.assert_allclose(out_BLD, run(layer, x_BLD, real_BL[:, :LENGTH]), atol=1e-5)


def test_relative_attention_is_invariant_to_an_offset_and_not_to_order(scrambled):
    layer, x_BLD = made(scrambled), drawn(1, LENGTH, WIDTH)
    real_BL = np.ones((1, LENGTH), bool)
    later_BLD = np.concatenate([drawn(1, 3, WIDTH, seed=1), x_BLD], axis=1)
    later_real_BL = np.array([[False] * 3 + [True] * LENGTH])
    out_BLD = run(layer, x_BLD, real_BL)
    np.testing.assert_allclose(run(layer, later_BLD, later_real_BL)[:, 3:], out_BLD, atol=1e-4)
    assert abs(run(layer, x_BLD[:, ::-1].copy(), real_BL)[:, ::-1] - out_BLD).max() > 1e-2


def test_both_biases_of_relative_attention_start_at_zero():
    layer = RelativeSelfAttention(heads=HEADS, dropout=0.0, name="attention")
    layer.build(WIDTH)
    assert not layer.content_NK.numpy().any() and not layer.distance_NK.numpy().any()


def test_relative_attention_weights_have_dropout_in_training_only(scrambled):
    layer, x_BLD, real_BL = made(scrambled, 0.5), drawn(1, LENGTH, WIDTH), np.ones((1, LENGTH), bool)
    one, other = (run(layer, x_BLD, real_BL, Forward(Noise(np.uint32(seed)))) for seed in (1, 2))
    assert abs(one - other).max() > 1e-3
    assert abs(one - run(layer, x_BLD, real_BL)).max() > 1e-3


def test_relative_attention_keeps_half_precision(scrambled):
    layer = made(scrambled)
    x_BLD = ops.cast(drawn(1, LENGTH, WIDTH), "bfloat16")
    for weight in ("query", "key", "value", "distance", "output"):
        setattr(layer, f"{weight}_DD", ops.cast(getattr(layer, f"{weight}_DD"), "bfloat16"))
    layer.content_NK, layer.distance_NK = (ops.cast(x, "bfloat16") for x in (layer.content_NK, layer.distance_NK))
    out = layer(x_BLD, ops.ones((1, LENGTH), "bool"), Forward(dtype="bfloat16"))
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
