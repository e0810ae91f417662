"""Attention against loops in NumPy, and the arithmetic of the attention block."""

import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.layers.attention import AttentionBlock, SelfAttention, SourceAttention
from t2t_mm.layers.forward import Forward, Noise, Watched
from t2t_mm.layers.positions import add_timing
from t2t_mm.layers.sequence import Seq

MIXING = pytest.mark.parametrize("mixing", ["steps", "blocks"])


def values(result):
    return ops.convert_to_numpy(result)


def tensor(array):
    return ops.convert_to_tensor(array)


def built(layer, width=4):
    layer.build(width)
    return layer


def by_loops(q_LD, k_SD, v_SD, visible, heads):
    """Return softmax(q k^T / sqrt(K)) v, query by query. `visible(t)` returns the positions that t attends to."""
    out_LD = np.zeros_like(q_LD)
    for part in np.split(np.arange(q_LD.shape[1]), heads):
        for t in range(len(q_LD)):
            keys = visible(t)
            scores = k_SD[keys][:, part] @ q_LD[t, part] / np.sqrt(len(part))
            weights = np.exp(scores - scores.max())
            out_LD[t, part] = weights / weights.sum() @ v_SD[keys][:, part]
    return out_LD


def source_of(values_BSD, lengths):
    return Seq(tensor(values_BSD), tensor(np.arange(values_BSD.shape[1])[None] < np.array(lengths)[:, None]))


def block(mixing, scrambled):
    return scrambled(built(attention_block(mixing)))


def attention_block(mixing, branch_dropout=0.0):
    return AttentionBlock(
        heads=2,
        dropout=0.0,
        mixing=mixing,
        block_dropout=0.0,
        branch_dropout=branch_dropout,
        branch_scale=1.0,
        name="attention",
    )


def test_self_attention_of_two_positions_by_hand():
    layer = built(SelfAttention(heads=1, dropout=0.0, name="self"), 1)
    layer.qkv_D3D.assign([[1, 1, 10]])
    layer.output_DD.assign([[2]])
    x1, x2 = 1.0, 2.0  # position 1 weighs itself by e^4 / (e^2 + e^4) and position 0 by the rest
    weight = np.exp(x2 * x2) / (np.exp(x2 * x1) + np.exp(x2 * x2))
    expected = [20 * x1, 20 * ((1 - weight) * x1 + weight * x2)]
    np.testing.assert_allclose(values(layer(tensor([[[x1], [x2]]]), Forward()))[0, :, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("heads", [1, 2])
def test_causal_self_attention_is_the_formula_over_positions_up_to_its_own(heads, scrambled):
    layer = scrambled(built(SelfAttention(heads=heads, dropout=0.0, name="self")))
    x_BLD = drawn(2, 5, 4)
    out_BLD = values(layer(tensor(x_BLD), Forward()))
    for x_LD, out_LD in zip(x_BLD, out_BLD, strict=True):
        q_LD, k_LD, v_LD = np.split(x_LD @ layer.qkv_D3D.numpy(), 3, axis=1)
        expected_LD = by_loops(q_LD, k_LD, v_LD, lambda t: np.arange(t + 1), heads) @ layer.output_DD.numpy()
        np.testing.assert_allclose(out_LD, expected_LD, atol=1e-5)


def test_self_attention_without_a_causal_mask_attends_to_all_real_positions(scrambled):
    layer = scrambled(built(SelfAttention(heads=2, dropout=0.0, causal=False, name="self")))
    x_BLD, lengths = drawn(2, 5, 4), (5, 3)
    out_BLD = values(layer(tensor(x_BLD), Forward(), source_of(x_BLD, lengths).real_BL))
    for b, length in enumerate(lengths):
        q_LD, k_LD, v_LD = np.split(x_BLD[b] @ layer.qkv_D3D.numpy(), 3, axis=1)
        context_LD = by_loops(q_LD, k_LD, v_LD, lambda t: np.arange(length), 2)  # noqa: B023
        np.testing.assert_allclose(out_BLD[b], context_LD @ layer.output_DD.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [SelfAttention, SourceAttention])
def test_initial_projections_have_the_deviation_gain_over_root_of_width(kind):
    for weight in built(kind(heads=1, dropout=0.0, gain=0.5, name="attention"), 64).trainable_variables:
        assert np.std(weight.numpy()) == pytest.approx(0.5 / 8, rel=0.1)


@pytest.mark.parametrize("heads", [1, 2])
def test_source_attention_is_the_formula_over_real_positions(heads, scrambled):
    layer = scrambled(built(SourceAttention(heads=heads, dropout=0.0, name="source")))
    x_BLD, source_BSD, lengths = drawn(2, 3, 4), drawn(2, 6, 4, seed=1), (6, 4)
    memory = layer.memory(source_of(source_BSD, lengths))
    out_BLD = values(layer(tensor(x_BLD), memory, Forward()))
    for b, length in enumerate(lengths):
        k_SD, v_SD = np.split(source_BSD[b] @ layer.memory_D2D.numpy(), 2, axis=1)
        q_LD = x_BLD[b] @ layer.query_DD.numpy()
        expected_LD = by_loops(q_LD, k_SD, v_SD, lambda t: np.arange(length), heads) @ layer.output_DD.numpy()  # noqa: B023
        np.testing.assert_allclose(out_BLD[b], expected_LD, atol=1e-5)


def test_source_attention_of_a_row_without_any_source_is_finite(scrambled):
    layer = scrambled(built(SourceAttention(heads=2, dropout=0.0, name="source")))
    memory = layer.memory(source_of(drawn(1, 3, 4), [0]))
    assert np.isfinite(values(layer(tensor(drawn(1, 2, 4)), memory, Forward()))).all()


@MIXING
def test_the_attention_block_mixes_then_attends_to_itself_then_to_the_source(mixing, scrambled):
    layer = block(mixing, scrambled)
    x_BLD, source = tensor(drawn(2, 6, 4)), source_of(drawn(2, 3, 4, seed=1), (3, 2))
    m_BLD = add_timing(x_BLD)
    for mix in layer.mix:
        m_BLD = mix(m_BLD) if mixing == "steps" else mix(m_BLD, None, Forward())
    q_BLD = layer.self_norm(m_BLD + layer.to_self(m_BLD, Forward()))
    c_BLD = layer.source_norm(q_BLD + layer.to_source(q_BLD, layer.to_source.memory(source), Forward()))
    np.testing.assert_allclose(values(layer(x_BLD, source, Forward())), values(c_BLD), atol=1e-6)


def test_mixing_by_steps_has_five_taps_at_dilations_1_and_4_and_by_blocks_two_blocks(scrambled):
    steps = block("steps", scrambled).mix
    assert [(step.taps, step.dilation, step.causal) for step in steps] == [(5, 1, True), (5, 4, True)]
    assert [len(mix.steps) for mix in block("blocks", scrambled).mix] == [4, 4]


@MIXING
def test_each_position_depends_on_itself_and_on_no_later_one(mixing, scrambled):
    layer = block(mixing, scrambled)
    x_BLD, source = drawn(1, 8, 4), source_of(drawn(1, 3, 4, seed=1), [3])
    out_LD = values(layer(tensor(x_BLD), source, Forward()))[0]
    for t in range(8):
        changed_BLD = x_BLD.copy()
        changed_BLD[0, t] += 3
        change_L = abs(values(layer(tensor(changed_BLD), source, Forward()))[0] - out_LD).max(axis=-1)
        assert change_L[:t].max(initial=0) < 1e-6
        assert change_L[t] > 1e-5


@MIXING
def test_stepwise_attention_equals_attention_over_the_full_sequence(mixing, scrambled):
    layer = block(mixing, scrambled)
    x_BLD, source = drawn(2, 9, 4), source_of(drawn(2, 5, 4, seed=1), (5, 3))
    full_BLD = values(layer(tensor(x_BLD), source, Forward()))
    state = layer.start(source, 12)  # the cache is longer than needed
    for t in range(9):
        out_BD, state = layer.step(state, tensor(x_BLD[:, t]), ops.convert_to_tensor(t, "int32"))
        np.testing.assert_allclose(values(out_BD), full_BLD[:, t], atol=1e-5)


def test_attention_weights_have_dropout_in_training_only(scrambled):
    layer = scrambled(built(SelfAttention(heads=1, dropout=0.5, name="self")))
    layer.output_DD.assign(np.eye(4))
    x_BLD = tensor(drawn(50, 1, 4))  # one position, whose one weight is 1
    v_BLD = values(x_BLD) @ layer.qkv_D3D.numpy()[:, 8:]
    np.testing.assert_allclose(values(layer(x_BLD, Forward())), v_BLD, atol=1e-5)
    out_BLD = values(layer(x_BLD, Forward(Noise(np.uint32(1)))))
    dropped_B = (out_BLD == 0).all(axis=(1, 2))
    assert 10 < dropped_B.sum() < 40
    np.testing.assert_allclose(out_BLD[~dropped_B], 2 * v_BLD[~dropped_B], atol=1e-5)


def test_a_watched_pass_records_source_attention_as_the_mean_over_heads():
    layer = built(SourceAttention(heads=2, dropout=0.0, name="source"), 2)  # each head has one channel
    layer.query_DD.assign(np.eye(2))
    layer.memory_D2D.assign(np.concatenate([np.eye(2), np.eye(2)], axis=1))
    layer.output_DD.assign(np.eye(2))
    source_BSD = np.array([[[np.log(3), 0], [0, np.log(4)], [9, 9]]], "float32")
    source = source_of(source_BSD, [2])  # the third position is a pad
    forward = Forward(watched=Watched())
    layer(tensor(np.ones((1, 1, 2), "float32")), layer.memory(source), forward)
    [[weights_S]] = values(forward.watched.attention["source"])
    # The first head weighs by e^{ln 3} : e^0 = 3 : 1, the second by 1 : 4.
    np.testing.assert_allclose(weights_S, [(3 / 4 + 1 / 5) / 2, (1 / 4 + 4 / 5) / 2, 0], atol=1e-6)


def test_an_attention_block_records_only_its_attention_to_the_source(scrambled):
    layer, forward = block("steps", scrambled), Forward(watched=Watched())
    layer(tensor(drawn(2, 6, 4)), source_of(drawn(2, 3, 4, seed=1), (3, 2)), forward)
    assert list(forward.watched.attention) == [layer.to_source.path]


@MIXING
def test_branch_dropout_applies_to_the_output_of_the_attention_block(mixing):
    layer = built(attention_block(mixing, branch_dropout=0.5))
    layer.source_norm.scale_D.assign([0] * 4)
    layer.source_norm.shift_D.assign([3] * 4)
    x, source = tensor(drawn(2, 9, 4)), source_of(drawn(2, 5, 4, seed=1), [5, 3])
    assert (values(layer(x, source, Forward())) == 3).all()
    assert set(values(layer(x, source, Forward(Noise(np.uint32(1))))).ravel()) == {0, 6}
