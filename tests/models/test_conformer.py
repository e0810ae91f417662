"""The Conformer's body: against its equations in NumPy, padding, and decoding position by position."""

from dataclasses import replace

import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.forward import Forward, Noise, Watched
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.conformer.body import Conformer
from t2t_mm.models.conformer.encoder import ConvolutionModule
from t2t_mm.models.conformer.hparams import ConformerHparams

WIDTH = 8
SMALL = ConformerHparams(
    hidden_size=WIDTH, encoder_layers=2, filter_size=12, attention_heads=2, kernel_size=4, decoder_size=5
)
SOURCE, TARGET = 6, 5  # positions


def made(scrambled, hparams=SMALL):
    model = Conformer(hparams)
    model.problems = ("digits", "captions")
    model.build(WIDTH)
    scrambled(model)
    rng = np.random.default_rng(1)
    for weight in sorted(model.non_trainable_variables, key=lambda weight: weight.path):
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))  # a variance is positive
    return model


@pytest.fixture(scope="module")
def body(scrambled):
    return made(scrambled)


def seq(values_BLD, lengths=None):
    lengths_B = np.array([values_BLD.shape[1]] * len(values_BLD) if lengths is None else lengths)
    real_BL = np.arange(values_BLD.shape[1])[None] < lengths_B[:, None]
    return Seq(ops.convert_to_tensor(values_BLD), ops.convert_to_tensor(real_BL))


def values(result):
    return ops.convert_to_numpy(result.values_BLD if isinstance(result, Seq) else result)


def passed(problem="digits", noise=None):
    forward = Forward(None if noise is None else Noise(np.uint32(noise)))
    forward.problem = problem
    return forward


# The paper's equations, one example at a time.


def norm(x_LD, layer):
    centred_LD = x_LD - x_LD.mean(axis=1, keepdims=True)
    deviation_L1 = np.sqrt((centred_LD**2).mean(axis=1, keepdims=True) + 1e-6)
    return centred_LD / deviation_L1 * layer.scale_D.numpy() + layer.shift_D.numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def feed_forward(x_LD, layer):
    hidden_LF = x_LD @ layer.in_DF.numpy() + layer.in_shift_F.numpy()
    return hidden_LF * sigmoid(hidden_LF) @ layer.out_FD.numpy() + layer.out_shift_D.numpy()


def attention(x_LD, layer):
    real_1L = np.ones((1, len(x_LD)), bool)
    return values(layer(ops.convert_to_tensor(x_LD[None].astype("float32")), real_1L, Forward()))[0]


def convolution(x_LD, layer, problem):
    width, taps_KD = x_LD.shape[1], layer.taps_KD.numpy()
    both_L2D = x_LD @ layer.in_D2D.numpy() + layer.in_shift_2D.numpy()
    gated_LD = both_L2D[:, :width] * sigmoid(both_L2D[:, width:])
    before = (len(taps_KD) - 1) // 2
    padded_LD = np.pad(gated_LD, [(before, len(taps_KD) - 1 - before), (0, 0)])
    mixed_LD = np.stack([(padded_LD[t : t + len(taps_KD)] * taps_KD).sum(axis=0) for t in range(len(x_LD))])
    running = layer.norm.running[problem]
    normal_LD = (mixed_LD - running.mean_D.numpy()) / np.sqrt(running.variance_D.numpy() + 1e-3)
    normal_LD = normal_LD * layer.norm.scale_D.numpy() + layer.norm.shift_D.numpy()
    return normal_LD * sigmoid(normal_LD) @ layer.out_DD.numpy() + layer.out_shift_D.numpy()


def block(x_LD, layer, problem):
    norms = layer.norms
    x_LD = x_LD + 0.5 * feed_forward(norm(x_LD, norms[0]), layer.feed_forward_1)
    x_LD = x_LD + attention(norm(x_LD, norms[1]), layer.attention)
    x_LD = x_LD + convolution(norm(x_LD, norms[2]), layer.convolution, problem)
    x_LD = x_LD + 0.5 * feed_forward(norm(x_LD, norms[3]), layer.feed_forward_2)
    return norm(x_LD, layer.norm)


def lstm(x_LD, layer):
    h, c = layer.first_hidden_H.numpy(), layer.first_cell_H.numpy()
    out = []
    for x_D in x_LD:
        gates_G = h @ layer.recurrent_HG.numpy() + x_D @ layer.input_DG.numpy() + layer.shift_G.numpy()
        g, f, i, o = np.split(gates_G, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.stack(out)


def read(h_LH, memory_SD, decoder):
    source = decoder.to_source
    q_LD = norm(h_LH @ decoder.query_HD.numpy(), decoder.query_norm)
    k_SD, v_SD = np.split(memory_SD @ source.memory_D2D.numpy(), 2, axis=1)
    context_LD = np.zeros_like(q_LD)
    for part in np.split(np.arange(WIDTH), SMALL.attention_heads):
        scores_LS = (q_LD @ source.query_DD.numpy())[:, part] @ k_SD[:, part].T / np.sqrt(len(part))
        weights_LS = np.exp(scores_LS) / np.exp(scores_LS).sum(axis=1, keepdims=True)
        context_LD[:, part] = weights_LS @ v_SD[:, part]
    return norm(q_LD + context_LD @ source.output_DD.numpy(), decoder.norm)


@pytest.mark.parametrize("problem", ["digits", "captions"])
def test_the_whole_body_is_its_equations(body, problem):
    source_BSD, target_BLD, lengths, target_lengths = drawn(2, 6, WIDTH), drawn(2, 5, WIDTH, seed=1), (6, 3), (4, 5)
    memory = body.encode(seq(source_BSD, lengths), passed(problem))
    out_BLD = values(body.decode(memory, seq(target_BLD, target_lengths), passed(problem)))
    for b in range(2):
        x_SD = source_BSD[b, : lengths[b]]
        for layer in body.encoder.stack:
            x_SD = block(x_SD, layer, problem)
        np.testing.assert_allclose(values(memory)[b, : lengths[b]], x_SD, atol=1e-4)
        expected_LD = read(lstm(target_BLD[b, : target_lengths[b]], body.decoder.lstm), x_SD, body.decoder)
        np.testing.assert_allclose(out_BLD[b, : target_lengths[b]], expected_LD, atol=1e-4)


def test_32_taps_see_15_positions_before_and_16_behind(scrambled):
    layer = ConvolutionModule(32, name="convolution")
    layer.build(WIDTH, ("digits",))
    scrambled(layer)
    x_BLD = np.repeat(drawn(1, 40, WIDTH), 2, axis=0)
    x_BLD[1, 20] += 1
    out_BLD = values(layer(x_BLD, np.ones((2, 40), bool), passed()))
    heard_L = abs(out_BLD[1] - out_BLD[0]).max(axis=1) > 1e-6
    assert np.flatnonzero(heard_L).tolist() == list(range(20 - 16, 20 + 15 + 1))


@pytest.mark.parametrize("noise", [None, 3])
@pytest.mark.parametrize("more", [1, 30])
def test_pads_full_of_noise_change_nothing_not_even_statistics(scrambled, noise, more):
    body = made(scrambled, replace(SMALL, dropout=0.0))
    source_BLD, target_BLD = drawn(2, SOURCE, WIDTH), drawn(2, TARGET, WIDTH, seed=1)
    lengths, target_lengths = (SOURCE, 2), (3, TARGET)
    noisy = []
    for part_BLD, part_lengths in ((source_BLD, lengths), (target_BLD, target_lengths)):
        padded_BLD = 50 * drawn(2, part_BLD.shape[1] + more, WIDTH, seed=2)
        for b, length in enumerate(part_lengths):
            padded_BLD[b, :length] = part_BLD[b, :length]
        noisy.append(seq(padded_BLD, part_lengths))
    outs, moves = [], []
    for source, target in ((seq(source_BLD, lengths), seq(target_BLD, target_lengths)), noisy):
        forward = passed(noise=noise)
        outs.append(values(body.decode(body.encode(source, forward), target, forward)))
        moves.append(forward.moved)
    for b, length in enumerate(target_lengths):
        np.testing.assert_allclose(outs[1][b, :length], outs[0][b, :length], atol=1e-4)
    assert len(moves[0]) == (0 if noise is None else 3 * SMALL.encoder_layers)
    for path, value in moves[0].items():
        np.testing.assert_allclose(values(moves[1][path]), values(value), atol=1e-4)


def test_every_output_depends_on_every_source_position_and_on_their_order(body):
    source_BLD = np.repeat(drawn(1, SOURCE, WIDTH), 2 + SOURCE, axis=0)
    for t in range(SOURCE):
        source_BLD[1 + t, t] = 3 * drawn(WIDTH, seed=t + 2)
    source_BLD[-1] = source_BLD[0, ::-1]
    target_BLD = np.repeat(drawn(1, TARGET, WIDTH, seed=1), 2 + SOURCE, axis=0)
    out_BLD = values(body.decode(body.encode(seq(source_BLD), passed()), seq(target_BLD), passed()))
    assert (abs(out_BLD[1:] - out_BLD[0]).max(axis=-1) > 1e-5).all()


@pytest.mark.parametrize("rate", ["dropout", "attention_dropout"])
def test_each_rate_of_dropout_makes_a_training_pass_another_and_equal_noise_repeats_it(rate, scrambled):
    body = made(scrambled, replace(SMALL, **{"dropout": 0.0, rate: 0.3}))
    source, target = seq(drawn(2, SOURCE, WIDTH)), seq(drawn(2, TARGET, WIDTH, seed=1))

    def run(seed):
        forward = passed(noise=seed)
        return values(body.decode(body.encode(source, forward), target, forward))

    np.testing.assert_array_equal(run(1), run(1))
    assert abs(run(1) - run(2)).max() > 0.05


def test_a_row_of_pads_alone_and_a_single_position_stay_finite(body):
    target = seq(drawn(2, TARGET, WIDTH, seed=1))
    for source in (seq(drawn(2, SOURCE, WIDTH), (0, 3)), seq(drawn(2, 1, WIDTH))):
        for noise in (None, 1):
            forward = passed(noise=noise)
            assert np.isfinite(values(body.decode(body.encode(source, forward), target, forward))).all()


def test_a_watched_pass_leaves_the_decoders_attention(body):
    forward = Forward(watched=Watched())
    forward.problem = "digits"
    body.decode(body.encode(seq(drawn(1, 3, WIDTH)), forward), seq(drawn(1, 2, WIDTH)), forward)
    assert {path: tuple(w.shape) for path, w in forward.watched.attention.items()} == {"body/decoder/source": (1, 2, 3)}


def test_with_ctc_the_body_has_no_decoder():
    body = Conformer(replace(SMALL, way_out="ctc"))
    body.problems = ("digits",)
    body.build(WIDTH)
    assert not [weight.path for weight in body.weights if "decoder" in weight.path]
    with pytest.raises(TypeError, match="has no decoder"):
        body.start(seq(drawn(1, 3, WIDTH)), 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_heads": 3}, "hidden_size must be a multiple of attention_heads; received 8 and 3"),
        ({"way_out": "rnnt"}, "way_out is 'decoder' or 'ctc'; received 'rnnt'"),
        ({"kernel_size": 0}, "kernel_size must be at least 1"),
        ({"dropout": 1.0}, "dropout must be from 0 to 0.99"),
    ],
)
def test_impossible_hparams_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(SMALL, **changes)
