"""The Vision Transformer's body: against the paper's equations in NumPy and against Keras' own layers."""

from dataclasses import replace
from math import erf

import keras
import numpy as np
import pytest
from building_blocks import built, drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.activations import gelu
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.vit.body import Vit
from t2t_mm.models.vit.hparams import VitHparams

WIDTH, HEADS, PATCHES = 8, 2, 6
SMALL = VitHparams(hidden_size=WIDTH, encoder_layers=2, filter_size=12, attention_heads=HEADS, dropout=0.0)


def made(hparams=SMALL):
    return built(Vit(hparams), WIDTH)


@pytest.fixture(scope="module")
def body(scrambled):
    return scrambled(made())


def seq(values_BLD):
    return Seq(ops.convert_to_tensor(values_BLD), ops.ones(values_BLD.shape[:2], "bool"), grid=(2, 3))


def encode(body, values_BLD, forward=None):
    return ops.convert_to_numpy(body.encode(seq(values_BLD), forward or Forward()).values_BLD)


# Equations 1 to 4, one example at a time.


def norm(x_LD, layer):
    centred_LD = x_LD - x_LD.mean(axis=1, keepdims=True)
    deviation_L1 = np.sqrt((centred_LD**2).mean(axis=1, keepdims=True) + 1e-6)
    return centred_LD / deviation_L1 * layer.scale_D.numpy() + layer.shift_D.numpy()


def msa(z_LD, layer):
    """Appendix A: A = softmax(q k^T / sqrt(D_h)), SA = A v; heads side by side, times U_msa."""
    q_LD, k_LD, v_LD = np.split(z_LD @ layer.qkv_D3D.numpy(), 3, axis=1)
    heads = []
    for part in np.split(np.arange(WIDTH), HEADS):
        weights_LL = np.exp(q_LD[:, part] @ k_LD[:, part].T / np.sqrt(len(part)))
        heads.append(weights_LL / weights_LL.sum(axis=1, keepdims=True) @ v_LD[:, part])
    return np.concatenate(heads, axis=1) @ layer.output_DD.numpy()


def mlp(x_LD, layer):
    hidden_LF = x_LD @ layer.in_DF.numpy() + layer.in_shift_F.numpy()
    hidden_LF = hidden_LF * (1 + np.vectorize(erf)(hidden_LF / 2**0.5)) / 2
    return hidden_LF @ layer.out_FD.numpy() + layer.out_shift_D.numpy()


def test_the_body_is_the_papers_equations(body):
    patches_BLD = drawn(3, PATCHES, WIDTH)
    out_BLD = encode(body, patches_BLD)
    for b in range(3):
        z_LD = np.concatenate([body.token_D.numpy()[None], patches_BLD[b]])
        for layer in body.stack:
            z_LD = z_LD + msa(norm(z_LD, layer.around_attention.norm), layer.attention)
            z_LD = z_LD + mlp(norm(z_LD, layer.around_mlp.norm), layer.mlp)
        np.testing.assert_allclose(out_BLD[b], norm(z_LD, body.norm), atol=2e-5)


def test_gelu_by_hand():
    # P(X <= 1) = 0.841345, P(X <= -1) = 0.158655, P(X <= 2) = 0.977250
    result = ops.convert_to_numpy(gelu(ops.convert_to_tensor([0.0, 1.0, -1.0, 2.0, -50.0])))
    np.testing.assert_allclose(result, [0, 0.841345, -0.158655, 1.954500, 0], atol=1e-6)


def of_keras(layer):
    """An encoder layer made of Keras' own, with the weights of one of ours: a function of float[B, L, D]."""
    heads, width = HEADS, WIDTH // HEADS
    attention = keras.layers.MultiHeadAttention(heads, width, use_bias=False)
    attention.build((None, None, WIDTH), (None, None, WIDTH))
    qkv = [each.reshape(WIDTH, heads, width) for each in np.split(layer.attention.qkv_D3D.numpy(), 3, axis=1)]
    attention.set_weights([*qkv, layer.attention.output_DD.numpy().reshape(heads, width, WIDTH)])
    mlp = layer.mlp
    first = keras.layers.Dense(mlp.size, activation=lambda x: keras.activations.gelu(x, approximate=False))
    second = keras.layers.Dense(WIDTH)
    for dense, weights, width_in in (
        (first, (mlp.in_DF, mlp.in_shift_F), WIDTH),
        (second, (mlp.out_FD, mlp.out_shift_D), mlp.size),
    ):
        dense.build((None, width_in))
        dense.set_weights([weight.numpy() for weight in weights])
    before_attention, before_mlp = (
        norm_of_keras(residual.norm) for residual in (layer.around_attention, layer.around_mlp)
    )

    def run(z_BLD):
        normal_BLD = before_attention(z_BLD)
        z_BLD = attention(normal_BLD, normal_BLD) + z_BLD
        return second(first(before_mlp(z_BLD))) + z_BLD

    return run


def norm_of_keras(norm):
    layer = keras.layers.LayerNormalization(epsilon=1e-6)
    layer.build((None, None, WIDTH))
    layer.set_weights([norm.scale_D.numpy(), norm.shift_D.numpy()])
    return layer


def test_the_body_equals_one_made_of_keras_layers(body):
    patches_BLD = drawn(3, PATCHES, WIDTH, seed=1)
    token_B1D = np.tile(body.token_D.numpy(), (3, 1, 1))
    z_BLD = ops.convert_to_tensor(np.concatenate([token_B1D, patches_BLD], axis=1))
    for layer in body.stack:
        z_BLD = of_keras(layer)(z_BLD)
    expected = ops.convert_to_numpy(norm_of_keras(body.norm)(z_BLD))
    np.testing.assert_allclose(encode(body, patches_BLD), expected, atol=2e-5)


def test_the_class_token_stands_in_front_and_nothing_is_a_grid_any_more(body):
    memory = body.encode(seq(drawn(2, PATCHES, WIDTH)), Forward())
    assert memory.values_BLD.shape == (2, 1 + PATCHES, WIDTH) and memory.grid is None
    assert ops.convert_to_numpy(memory.real_BL).all() and memory.real_BL.shape == (2, 1 + PATCHES)
    [only] = [weight for weight in body.trainable_variables if weight.path.endswith("class_token")]
    assert tuple(only.shape) == (WIDTH,)


def test_the_token_depends_on_every_patch(body):
    patches_BLD = np.repeat(drawn(1, PATCHES, WIDTH), 1 + PATCHES, axis=0)
    for place in range(PATCHES):
        patches_BLD[1 + place, place] = drawn(WIDTH, seed=place + 2)
    token_BD = encode(body, patches_BLD)[:, 0]
    assert (abs(token_BD[1:] - token_BD[0]).max(axis=1) > 1e-4).all()


def test_without_positions_the_token_does_not_depend_on_the_order_of_patches(body):
    patches_BLD = drawn(1, PATCHES, WIDTH)
    one, other = (encode(body, x) for x in (patches_BLD, patches_BLD[:, ::-1].copy()))
    np.testing.assert_allclose(one[:, 0], other[:, 0], atol=1e-5)


@pytest.mark.parametrize("rate", ["dropout", "attention_dropout"])
def test_each_rate_of_dropout_makes_a_training_pass_another_and_equal_noise_repeats_it(rate, scrambled):
    body, patches_BLD = scrambled(made(replace(SMALL, **{rate: 0.3}))), drawn(2, PATCHES, WIDTH)

    def run(seed):
        return encode(body, patches_BLD, Forward(None if seed is None else Noise(np.uint32(seed))))

    np.testing.assert_array_equal(run(1), run(1))
    assert abs(run(1) - run(2)).max() > 0.05
    assert abs(run(1) - run(None)).max() > 0.05


def test_dropout_stands_behind_the_sums_of_patch_and_position_too(scrambled):
    body = scrambled(made(replace(SMALL, dropout=0.5, encoder_layers=0)))
    body.norm.call = lambda x_BLD: x_BLD
    patches_BLD = drawn(1, 200, WIDTH)
    out_LD = encode(body, patches_BLD, Forward(Noise(np.uint32(1))))[0, 1:]
    kept_LD = out_LD != 0
    assert 0.4 < kept_LD.mean() < 0.6
    np.testing.assert_allclose(out_LD[kept_LD], 2 * patches_BLD[0][kept_LD], rtol=1e-5)


def test_weights_start_as_in_the_authors_code():
    body = Vit(replace(SMALL, hidden_size=200, filter_size=400))
    body.build(200)
    layer = body.stack[0]
    deviations = {
        0.02: body.token_D,
        200**-0.5: layer.attention.qkv_D3D,  # Glorot's uniform of a square matrix has variance 1 / D too
        (2 / 600) ** 0.5: layer.mlp.in_DF,
    }
    for expected, weight in deviations.items():
        assert np.std(weight.numpy()) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_heads": 3}, "hidden_size must be a multiple of attention_heads; received 8 and 3"),
        ({"label_head": "deep"}, "label_head is 'mlp' or 'linear'; received 'deep'"),
        ({"filter_size": 0}, "filter_size must be at least 1"),
        ({"dropout": 1.0}, "dropout must be from 0 to 0.99"),
    ],
)
def test_impossible_hparams_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(SMALL, **changes)
