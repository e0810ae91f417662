"""The MultiModel's body: its equations, and decoding position by position."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from building_blocks import built, drawn
from keras import ops

from t2t_mm.layers.conv import ConvBlock
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.positions import add_timing
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.multimodel.body import MultiModel
from t2t_mm.models.multimodel.hparams import MultiModelHparams

WIDTH = 8
SMALL = MultiModelHparams(
    hidden_size=WIDTH,
    encoder_blocks=1,
    mixer_blocks=1,
    decoder_blocks=2,
    experts=8,
    experts_per_token=2,
    expert_size=7,
    attention_heads=2,
)
VARIANTS = {
    "steps": SMALL,
    "blocks, no experts": replace(SMALL, mixing="blocks", experts=0),
    "no attention": replace(SMALL, attention=False),
    "neither": replace(SMALL, experts=0, attention=False),
}
SOURCE, TARGET = 5, 5  # positions


@pytest.fixture(scope="module", params=list(VARIANTS))
def body(request, scrambled):
    return made(VARIANTS[request.param], scrambled)


def made(hparams, scrambled):
    return scrambled(built(MultiModel(hparams), WIDTH))


def seq(values_BLD, lengths=None):
    lengths_B = np.array([values_BLD.shape[1]] * len(values_BLD) if lengths is None else lengths)
    real_BL = np.arange(values_BLD.shape[1])[None] < lengths_B[:, None]
    return Seq(ops.convert_to_tensor(values_BLD), ops.convert_to_tensor(real_BL))


def values(result):
    return ops.convert_to_numpy(result.values_BLD if isinstance(result, Seq) else result)


def decode(body, source, target):
    """Return the decoder's output for two Seqs, float[B, L, D]."""
    return values(body.decode(body.encode(source, Forward()), target, Forward()))


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


def test_a_step_of_one_row_equals_decode(body):  # it takes the experts' weights by slices, not by dispatch
    source = seq(drawn(1, SOURCE, WIDTH), [3])
    target_BLD = drawn(1, TARGET, WIDTH, seed=1)
    memory = body.encode(source, Forward())
    whole_BLD = values(body.decode(memory, seq(target_BLD), Forward()))
    state = body.start(memory, TARGET + 2)
    for t in range(TARGET):
        out_B1D, state = body.step(state, ops.convert_to_tensor(target_BLD[:, t : t + 1]))
        np.testing.assert_allclose(values(out_B1D)[:, 0], whole_BLD[:, t], atol=1e-4)


@pytest.mark.parametrize("attention", [True, False])
def test_step_equals_decode_beyond_the_reach_of_the_widest_convolution(attention, scrambled):
    length = 120  # the ring of 15 taps at dilation 8 holds 113
    body = made(replace(SMALL, decoder_blocks=1, experts=0, attention=attention), scrambled)
    memory, target_BLD = body.encode(seq(drawn(1, SOURCE, WIDTH)), Forward()), drawn(1, length, WIDTH, seed=1)
    whole_BLD = values(body.decode(memory, seq(target_BLD), Forward()))
    step = body.step
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(step, autograph=False)
    state = body.start(memory, length)
    for t in range(length):
        out_B1D, state = step(state, ops.convert_to_tensor(target_BLD[:, t : t + 1]))
        np.testing.assert_allclose(values(out_B1D)[:, 0], whole_BLD[:, t], atol=1e-4)


@pytest.mark.slow
def test_selected_beams_continue_beyond_the_reach_of_the_widest_convolution(scrambled):
    body = made(replace(SMALL, mixing="blocks", experts=0), scrambled)
    follow_beams(body, 130, checked=(50, 112, 113, 129))  # the ring of 15 taps at dilation 8 holds 113


def follow_beams(body, length, checked):
    """Select a random beam of the same example for each beam after every step, and compare with `decode`."""
    examples, beams, random = 2, 3, np.random.default_rng(0)
    memory = body.encode(seq(drawn(examples, SOURCE, WIDTH), [5, 3]), Forward())
    step, select = body.step, body.select
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step, select = (tf.function(call, autograph=False) for call in (step, select))
    state = body.start_beams(memory, length, beams)
    past_RLD = np.zeros((examples * beams, 0, WIDTH), np.float32)
    for t in range(length):
        past_RLD = np.concatenate([past_RLD, drawn(examples * beams, 1, WIDTH, seed=t)], axis=1)
        out_R1D, state = step(state, ops.convert_to_tensor(past_RLD[:, -1:]))
        if t in checked:
            whole_RLD = values(body.decode(memory.repeated(beams), seq(past_RLD), Forward()))
            np.testing.assert_allclose(values(out_R1D)[:, 0], whole_RLD[:, t], atol=2e-4)
        rows_R = (random.integers(beams, size=(examples, beams)) + beams * np.arange(examples)[:, None]).reshape(-1)
        state, past_RLD = select(state, ops.convert_to_tensor(rows_R, "int32")), past_RLD[rows_R]


def test_the_encoder_is_timing_then_blocks_around_experts_then_a_norm(scrambled):
    encoder = made(replace(SMALL, encoder_blocks=4), scrambled).encoder
    source = seq(drawn(2, SOURCE, WIDTH), [5, 3])
    real_BL, forward = source.real_BL, Forward()
    output_BLD, x_BLD = encoder(source.values_BLD, real_BL, forward), add_timing(source.values_BLD)
    for part in (*encoder.blocks[:2], encoder.experts, *encoder.blocks[2:]):
        x_BLD = part(x_BLD, real_BL, forward)
    np.testing.assert_allclose(values(output_BLD), values(encoder.norm(x_BLD)), atol=1e-6)


def test_the_mixer_adds_what_is_read_from_the_source_then_blocks(scrambled):
    mixer = made(SMALL, scrambled).mixer
    x_BLD, source, forward = (
        ops.convert_to_tensor(drawn(2, TARGET, WIDTH, seed=1)),
        seq(drawn(2, SOURCE, WIDTH)),
        Forward(),
    )
    y_BLD = mixer.blocks[0](x_BLD + mixer.attention(x_BLD, source, forward), None, forward)
    np.testing.assert_allclose(values(mixer(x_BLD, source, forward)), values(y_BLD), atol=1e-6)


def test_without_attention_the_mixer_adds_the_source_position_by_position_and_its_mean(scrambled):
    mixer = made(VARIANTS["no attention"], scrambled).mixer
    x_BLD, source_BLD = drawn(1, 4, WIDTH, seed=1), drawn(1, 3, WIDTH)
    heard_BLD = np.zeros((1, 4, WIDTH), "float32")
    heard_BLD[0, :2] = source_BLD[0, :2]
    heard_BLD += source_BLD[0, :2].mean(axis=0)
    expected = mixer.blocks[0](ops.convert_to_tensor(x_BLD + heard_BLD), None, Forward())
    result = mixer(ops.convert_to_tensor(x_BLD), seq(source_BLD, [2]), Forward())
    np.testing.assert_allclose(values(result), values(expected), atol=1e-5)


def test_the_decoder_is_blocks_and_attention_in_turn_around_experts_then_a_norm(scrambled):
    decoder = made(SMALL, scrambled).decoder
    x_BLD, source, forward = (
        ops.convert_to_tensor(drawn(2, TARGET, WIDTH, seed=1)),
        seq(drawn(2, SOURCE, WIDTH)),
        Forward(),
    )
    real_BL = np.arange(TARGET)[None] < [[5], [3]]
    result_BLD = values(decoder(x_BLD, real_BL, source, forward))
    for i in range(2):
        if i == 1:
            x_BLD = decoder.experts(x_BLD, real_BL, forward)
        x_BLD = decoder.blocks[i](x_BLD, None, forward)
        x_BLD = x_BLD + decoder.attentions[i](x_BLD, source, forward)
    np.testing.assert_allclose(result_BLD, values(decoder.norm(x_BLD)), atol=1e-6)


def test_encoder_blocks_see_both_sides_and_target_blocks_the_past_alone():
    body = MultiModel(SMALL)
    body.build(WIDTH)
    assert not any(block.causal for block in body.encoder.blocks)
    assert all(block.causal for block in (*body.mixer.blocks, *body.decoder.blocks))
    assert all(isinstance(block, ConvBlock) for block in body.encoder.blocks)


def test_a_training_pass_repeats_for_equal_noise_alone_and_leaves_two_penalties(scrambled):
    body = made(replace(SMALL, dropout=0.2), scrambled)
    source, target = seq(drawn(2, SOURCE, WIDTH)), seq(drawn(2, TARGET, WIDTH, seed=1))

    def run(seed):
        forward = Forward(Noise(np.uint32(seed)))
        return values(body.decode(body.encode(source, forward), target, forward)), forward

    (one, forward), (same, _), (other, _) = run(1), run(1), run(2)
    np.testing.assert_array_equal(one, same)
    assert abs(one - other).max() > 0.1
    assert sorted(forward.penalties) == ["body/decoder/experts", "body/encoder/experts"]


def test_input_dropout_is_applied_to_the_source_only_in_training():
    model = MultiModel(replace(SMALL, encoder_blocks=0, experts=0, input_dropout=0.5))
    model.build(WIDTH)
    model.encoder.norm.call = lambda x: x  # so that the encoder returns its input plus the timing signal
    ones = np.ones((2, SOURCE, WIDTH), "float32")
    timing_LD = values(add_timing(ops.zeros((1, SOURCE, WIDTH))))[0]
    np.testing.assert_allclose(values(model.encode(seq(ones), Forward())) - timing_LD, ones, atol=1e-6)
    heard_BLD = values(model.encode(seq(ones), Forward(Noise(np.uint32(1))))) - timing_LD
    assert set(heard_BLD.round(5).ravel()) == {0, 2}
