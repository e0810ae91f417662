"""The Transformer's body against its equations in NumPy and against Keras' attention."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from building_blocks import built, drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.forward import Forward, Noise, Watched
from t2t_mm.layers.positions import timing_signal
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.transformer.body import Transformer
from t2t_mm.models.transformer.hparams import TransformerHparams

WIDTH = 8
SMALL = TransformerHparams(
    hidden_size=WIDTH, encoder_layers=2, decoder_layers=2, filter_size=12, attention_heads=2, max_positions=7
)
VARIANTS = {
    "paper": SMALL,
    "pre-norm": replace(SMALL, norm="pre"),
    "learned": replace(SMALL, positions="learned"),
    "no encoder": replace(SMALL, encoder_layers=0),
}
SOURCE, TARGET = 5, 5  # positions


@pytest.fixture(scope="module", params=list(VARIANTS))
def body(request, scrambled):
    return made(VARIANTS[request.param], scrambled)


def made(hparams, scrambled):
    return scrambled(built(Transformer(hparams), WIDTH))


def seq(values_BLD, lengths=None):
    lengths_B = np.array([values_BLD.shape[1]] * len(values_BLD) if lengths is None else lengths)
    real_BL = np.arange(values_BLD.shape[1])[None] < lengths_B[:, None]
    return Seq(ops.convert_to_tensor(values_BLD), ops.convert_to_tensor(real_BL))


def values(result):
    return ops.convert_to_numpy(result.values_BLD if isinstance(result, Seq) else result)


def decode(body, source, target):
    """Return the decoder's output for two Seqs, float[B, L, D]."""
    return values(body.decode(body.encode(source, Forward()), target, Forward()))


# The paper's equations, one example at a time.


def norm(x_LD, layer):
    centred_LD = x_LD - x_LD.mean(axis=1, keepdims=True)
    deviation_L1 = np.sqrt((centred_LD**2).mean(axis=1, keepdims=True) + 1e-6)
    return centred_LD / deviation_L1 * layer.scale_D.numpy() + layer.shift_D.numpy()


def multi_head(q_LD, k_SD, v_SD, may_LS):
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V in each head, heads side by side."""
    out = []
    for part in np.split(np.arange(WIDTH), SMALL.attention_heads):
        scores_LS = q_LD[:, part] @ k_SD[:, part].T / np.sqrt(len(part))
        weights_LS = np.exp(scores_LS) * may_LS
        out.append(weights_LS / weights_LS.sum(axis=1, keepdims=True) @ v_SD[:, part])
    return np.concatenate(out, axis=1)


def to_self(x_LD, layer, may_LL):
    q_LD, k_LD, v_LD = np.split(x_LD @ layer.qkv_D3D.numpy(), 3, axis=1)
    return multi_head(q_LD, k_LD, v_LD, may_LL) @ layer.output_DD.numpy()


def to_source(x_LD, memory_SD, layer):
    k_SD, v_SD = np.split(memory_SD @ layer.memory_D2D.numpy(), 2, axis=1)
    q_LD = x_LD @ layer.query_DD.numpy()
    return multi_head(q_LD, k_SD, v_SD, np.ones((len(q_LD), len(k_SD)))) @ layer.output_DD.numpy()


def feed_forward(x_LD, layer):
    hidden_LF = np.maximum(0, x_LD @ layer.in_DF.numpy() + layer.in_shift_F.numpy())
    return hidden_LF @ layer.out_FD.numpy() + layer.out_shift_D.numpy()


def sines(length):
    rates = 10000.0 ** (-np.arange(0, WIDTH, 2) / WIDTH)
    angles = np.arange(length)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, WIDTH)


def by_equations(body, source_SD, target_LD):
    x_SD = source_SD + sines(len(source_SD))
    for layer in body.encoder.stack:
        x_SD = norm(x_SD + to_self(x_SD, layer.to_self, np.ones((len(x_SD),) * 2)), layer.around_self.norm)
        x_SD = norm(x_SD + feed_forward(x_SD, layer.feed_forward), layer.around_feed_forward.norm)
    y_LD = target_LD + sines(len(target_LD))
    for layer in body.decoder.stack:
        y_LD = norm(y_LD + to_self(y_LD, layer.to_self, np.tri(len(y_LD))), layer.around_self.norm)
        y_LD = norm(y_LD + to_source(y_LD, x_SD, layer.to_source), layer.around_source.norm)
        y_LD = norm(y_LD + feed_forward(y_LD, layer.feed_forward), layer.around_feed_forward.norm)
    return y_LD


def test_the_whole_body_is_the_papers_equations(scrambled):
    body = made(SMALL, scrambled)
    source_BSD, target_BLD, lengths, target_lengths = drawn(2, 5, WIDTH), drawn(2, 6, WIDTH, seed=1), (5, 3), (4, 6)
    out_BLD = decode(body, seq(source_BSD, lengths), seq(target_BLD, target_lengths))
    for b in range(2):
        expected_LD = by_equations(body, source_BSD[b, : lengths[b]], target_BLD[b, : target_lengths[b]])
        np.testing.assert_allclose(out_BLD[b, : target_lengths[b]], expected_LD, atol=2e-5)


def test_with_pre_norms_sublayers_read_the_norm_and_one_norm_closes_each_stack(scrambled):
    body = made(VARIANTS["pre-norm"], scrambled)
    [source_SD] = drawn(1, 5, WIDTH)
    x_SD = source_SD + sines(5)
    for layer in body.encoder.stack:
        x_SD = x_SD + to_self(norm(x_SD, layer.around_self.norm), layer.to_self, np.ones((5, 5)))
        x_SD = x_SD + feed_forward(norm(x_SD, layer.around_feed_forward.norm), layer.feed_forward)
    memory = body.encode(seq(source_SD[None]), Forward())
    np.testing.assert_allclose(values(memory)[0], norm(x_SD, body.encoder.norm), atol=1e-5)
    assert body.decoder.norm is not None and made(SMALL, scrambled).decoder.norm is None


def keras_attention(qkv, output):
    """Keras' own multi-head attention with the projections of one of ours."""
    heads, width = SMALL.attention_heads, WIDTH // SMALL.attention_heads
    layer = keras.layers.MultiHeadAttention(heads, width, use_bias=False)
    layer.build((None, None, WIDTH), (None, None, WIDTH))
    split = [projection.reshape(WIDTH, heads, width) for projection in qkv]
    layer.set_weights([split[0], split[1], split[2], output.reshape(heads, width, WIDTH)])
    return layer


def test_attention_is_that_of_keras(scrambled):
    body = made(SMALL, scrambled)
    x_BLD, source = ops.convert_to_tensor(drawn(2, 4, WIDTH)), seq(drawn(2, 5, WIDTH, seed=1), (5, 3))
    own = body.decoder.stack[0].to_self
    theirs = keras_attention(np.split(own.qkv_D3D.numpy(), 3, axis=1), own.output_DD.numpy())
    expected = theirs(x_BLD, x_BLD, use_causal_mask=True)
    np.testing.assert_allclose(values(own(x_BLD, Forward())), values(expected), atol=1e-5)
    own = body.decoder.stack[0].to_source
    qkv = (own.query_DD.numpy(), *np.split(own.memory_D2D.numpy(), 2, axis=1))
    expected = keras_attention(qkv, own.output_DD.numpy())(
        x_BLD, source.values_BLD, attention_mask=source.real_BL[:, None, :]
    )
    np.testing.assert_allclose(values(own(x_BLD, own.memory(source), Forward())), values(expected), atol=1e-5)


def moved_one_by_one(values_1LD):
    """The sequence as it is, then once for each position with another vector there: float[1 + L, L, D]."""
    copies = np.repeat(values_1LD, 1 + values_1LD.shape[1], axis=0)
    for t in range(values_1LD.shape[1]):
        copies[1 + t, t] = 3 * drawn(WIDTH, seed=t + 2)
    return copies


def test_every_output_depends_on_every_source_position(body):
    target_BLD = np.repeat(drawn(1, TARGET, WIDTH, seed=1), 1 + SOURCE, axis=0)
    out_BLD = decode(body, seq(moved_one_by_one(drawn(1, SOURCE, WIDTH))), seq(target_BLD))
    assert (abs(out_BLD[1:] - out_BLD[0]).max(axis=-1) > 1e-4).all()


def test_words_in_another_order_give_other_outputs(body):
    source_BLD, target = drawn(1, SOURCE, WIDTH), seq(drawn(1, TARGET, WIDTH, seed=1))
    one, other = (decode(body, seq(values_BLD), target) for values_BLD in (source_BLD, source_BLD[:, ::-1].copy()))
    assert abs(one - other).max() > 1e-3


def test_positions_are_sines_or_learned_rows_times_the_root_of_the_width(scrambled):
    x_BLD = ops.convert_to_tensor(drawn(1, 4, WIDTH))
    plain, learned = (made(VARIANTS[name], scrambled).encoder.placed for name in ("paper", "learned"))
    np.testing.assert_allclose(values(plain(x_BLD, Forward()) - x_BLD)[0], sines(4), atol=1e-5)
    np.testing.assert_allclose(values(timing_signal(ops.arange(4), WIDTH)), sines(4), atol=1e-5)
    rows_LD = learned.learned.rows_PD.numpy()[:4]
    np.testing.assert_allclose(values(learned(x_BLD, Forward()) - x_BLD)[0], rows_LD * WIDTH**0.5, atol=1e-5)


def test_a_table_of_positions_has_an_end_and_sines_have_none():
    assert Transformer(SMALL).longest is None
    assert Transformer(VARIANTS["learned"]).longest == 7


@pytest.mark.parametrize("rate", ["dropout", "attention_dropout", "relu_dropout"])
def test_each_rate_of_dropout_makes_a_training_pass_another_and_equal_noise_repeats_it(rate, scrambled):
    body = made(replace(SMALL, **{"dropout": 0.0, rate: 0.3}), scrambled)
    source, target = seq(drawn(2, SOURCE, WIDTH)), seq(drawn(2, TARGET, WIDTH, seed=1))

    def run(seed):
        forward = Forward(None if seed is None else Noise(np.uint32(seed)))
        return values(body.decode(body.encode(source, forward), target, forward))

    np.testing.assert_array_equal(run(1), run(1))
    assert abs(run(1) - run(2)).max() > 0.05
    assert abs(run(1) - run(None)).max() > 0.05


def test_the_sums_of_vector_and_position_are_dropped_too(scrambled):
    body = made(replace(SMALL, dropout=0.5, encoder_layers=0), scrambled)
    source_BLD = drawn(1, 200, WIDTH)
    memory_LD = values(body.encode(seq(source_BLD), Forward(Noise(np.uint32(1)))))[0]
    kept_LD = memory_LD != 0
    assert 0.4 < kept_LD.mean() < 0.6
    np.testing.assert_allclose(memory_LD[kept_LD], 2 * (source_BLD[0] + sines(200))[kept_LD], rtol=1e-3, atol=1e-4)


def test_a_watched_pass_leaves_the_attention_to_the_source_of_each_decoder_layer(scrambled):
    body, forward = made(SMALL, scrambled), Forward(watched=Watched())
    body.decode(body.encode(seq(drawn(1, 3, WIDTH)), forward), seq(drawn(1, 2, WIDTH)), forward)
    weights = forward.watched.attention
    assert list(weights) == ["body/decoder/layer_1/source", "body/decoder/layer_2/source"]
    assert weights["body/decoder/layer_1/source"].shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_heads": 3}, "hidden_size must be a multiple of attention_heads; received 8 and 3"),
        ({"norm": "both"}, "norm is 'post' or 'pre'; received 'both'"),
        ({"positions": "none"}, "positions is 'sinusoidal' or 'learned'; received 'none'"),
        ({"decoder_layers": 0}, "decoder_layers must be at least 1"),
        ({"relu_dropout": 1.0}, "relu_dropout must be from 0 to 0.99"),
    ],
)
def test_impossible_hparams_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(SMALL, **changes)
