"""LSTM layers: by hand, against the equations and Keras' LSTM, with pads, step by step, and how they start."""

import keras
import numpy as np
import pytest
from building_blocks import built, drawn
from keras import ops

from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.lstm import Lstm, last_real, reversed_real

WIDTH, SIZE = 4, 3
PROBLEMS = ("sums", "words")


def made(scrambled=None, width=WIDTH, size=SIZE, **settings):
    layer = built(Lstm(size, **{"steps": 6, "rate": 0.5, **settings}, name="lstm"), width, PROBLEMS)
    return layer if scrambled is None else scrambled(layer)


def forward_of(training, problem="sums", seed=0):
    forward = Forward(Noise(np.uint32(seed)) if training else None)
    forward.problem = problem
    return forward


def run(layer, x_BLD, lengths=None, training=False, problem="sums"):
    """Return h_1 to h_L. In training, also assign the updated population statistics."""
    lengths_B = np.array([x_BLD.shape[1]] * len(x_BLD) if lengths is None else lengths)
    real_BL = np.arange(x_BLD.shape[1])[None] < lengths_B[:, None]
    forward = forward_of(training, problem)
    h_BLH = layer(ops.convert_to_tensor(x_BLD), ops.convert_to_tensor(real_BL), forward)
    by_path = {weight.path: weight for weight in layer.weights}
    for path, value in forward.moved.items():
        by_path[path].assign(value)
    return ops.convert_to_numpy(h_BLH)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_an_lstm_of_one_unit_and_two_rows_by_hand():
    layer = made(width=1, size=1)
    layer.input_DG.assign([[1.0, 1.0, 1.0, 1.0]])
    h_BLH = run(layer, np.array([[[1.0]], [[3.0]]], "float32"), training=True)
    # W_x x is 1 and 3 in each gate: mean 2, variance 1, so BN gives -0.1 and 0.1; h_0 = 0 adds nothing.
    # c = sigmoid(0.1) tanh(0.1) = 0.524979 * 0.099668 = 0.052324, and 0.475021 * -0.099668 = -0.047344;
    # BN(c): deviation 0.049834, so +-0.1 * 0.049834 / sqrt(0.049834^2 + 1e-5) = +-0.099799.
    # h = sigmoid(0.1) tanh(0.099799) = 0.524979 * 0.099469 = 0.052219, and 0.475021 * -0.099469 = -0.047250.
    np.testing.assert_allclose(h_BLH[:, 0, 0], [-0.047250, 0.052219], atol=2e-6)


def by_equations(layer, x_LBD, real_LB):
    """Return h_1 to h_L by NumPy, and (mean, variance) in the order of computation, three for each step."""
    weights = {weight.path.removeprefix("lstm/"): weight.numpy() for weight in layer.weights}
    h_BH, c_BH = (np.tile(weights[name], (x_LBD.shape[1], 1)) for name in ("first_hidden", "first_cell"))
    out, moments = [], []

    def bn(x_BC, t, which, shift=0.0):
        mean_C, variance_C = x_BC[real_LB[t]].mean(axis=0), x_BC[real_LB[t]].var(axis=0)
        moments.append((mean_C, variance_C))
        return shift + weights[f"{which}/scale"] * (x_BC - mean_C) / np.sqrt(variance_C + 1e-5)

    for t, x_BD in enumerate(x_LBD):
        from_past_BG = bn(h_BH @ weights["recurrent"], t, "recurrent_norm")
        from_input_BG = bn(x_BD @ weights["input"], t, "input_norm")
        g_BH, f_BH, i_BH, o_BH = np.split(from_past_BG + from_input_BG + weights["shift"], 4, axis=1)
        c_BH = sigmoid(f_BH) * c_BH + sigmoid(i_BH) * np.tanh(g_BH)
        h_BH = sigmoid(o_BH) * np.tanh(bn(c_BH, t, "cell_norm", weights["cell_norm/shift"]))
        out.append(h_BH)
    return np.stack(out), moments


def test_an_lstm_in_training_follows_the_equations_with_the_batch_statistics_of_real_rows(scrambled):
    layer = made(scrambled)
    x_BLD, lengths = drawn(5, 4, WIDTH), (4, 2, 3, 4, 1)
    real_LB = (np.arange(4)[None] < np.array(lengths)[:, None]).T
    right_LBH, statistics = by_equations(layer, x_BLD.transpose(1, 0, 2), real_LB)
    h_BLH = run(layer, x_BLD, lengths, training=True)
    np.testing.assert_allclose(h_BLH.transpose(1, 0, 2)[real_LB], right_LBH[real_LB], atol=1e-4)
    # After one batch the population is that batch, and so a pass outside training repeats it.
    again_BLH = run(layer, x_BLD, lengths)
    np.testing.assert_allclose(again_BLH.transpose(1, 0, 2)[real_LB], right_LBH[real_LB], atol=1e-3)
    for place, name in enumerate(("recurrent_norm", "input_norm", "cell_norm")):
        population = getattr(layer, name).populations["sums"]
        for t in range(4):
            mean_C, variance_C = statistics[3 * t + place]
            np.testing.assert_allclose(population.mean.numpy()[t], mean_C, atol=1e-4)
            np.testing.assert_allclose(population.variance.numpy()[t], variance_C, atol=1e-4)


def test_problems_have_separate_population_statistics(scrambled):
    layer = made(scrambled)
    before = {weight.path: weight.numpy() for weight in layer.weights}
    run(layer, drawn(5, 4, WIDTH), training=True)
    moved = {weight.path for weight in layer.weights if (weight.numpy() != before[weight.path]).any()}
    norms, statistics = ("input_norm", "recurrent_norm", "cell_norm"), ("mean", "variance", "weight")
    assert moved == {f"lstm/{norm}/sums/{name}" for norm in norms for name in statistics}


@pytest.mark.parametrize("settings", [{}, {"batch_norm": False}, {"input_statistics": "sequence"}])
def test_a_stepwise_lstm_equals_the_full_pass_even_beyond_the_longest_training_sequence(settings, scrambled):
    layer = made(scrambled, **settings)
    run(layer, drawn(6, 4, WIDTH, seed=1), training=True)
    x_BLD = drawn(2, 9, WIDTH)
    full_BLH = run(layer, x_BLD)
    state = layer.initial_state(2)
    for t in range(9):
        position = ops.convert_to_tensor(t, "int32")
        h_BH, state = layer.step(state, ops.convert_to_tensor(x_BLD[:, t]), position, "sums")
        np.testing.assert_allclose(ops.convert_to_numpy(h_BH), full_BLH[:, t], atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("settings", [{}, {"batch_norm": False}, {"input_statistics": "sequence"}])
def test_padding_changes_no_lstm_output_whatever_its_values(training, settings, scrambled):
    x_BLD, lengths = drawn(4, 3, WIDTH), (3, 1, 2, 3)
    results = []
    for noisy in (False, True):
        layer = made(scrambled, **settings)
        padded_BLD = (50.0 if noisy else 0.0) * drawn(5, 6, WIDTH, seed=2)  # an empty row and three steps more
        for b, length in enumerate(lengths):
            padded_BLD[b, :length] = x_BLD[b, :length]
        h_BLH = run(layer, padded_BLD, (*lengths, 0), training)
        results.append([h_BLH[b, :length] for b, length in enumerate(lengths)])
        results[-1] += [weight.numpy() for weight in layer.weights]
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_lstm_without_norms_is_keras_lstm(scrambled):
    layer, theirs = made(scrambled, batch_norm=False), keras.layers.LSTM(SIZE, return_sequences=True)
    theirs.build((None, None, WIDTH))
    reordered = [2, 1, 0, 3]  # ours are g, f, i, o; theirs i, f, g, o
    matrices = (layer.input_DG, layer.recurrent_HG, layer.shift_G)
    theirs.set_weights(
        [np.concatenate([np.split(m.numpy(), 4, axis=-1)[i] for i in reordered], axis=-1) for m in matrices]
    )
    x_BLD, mask_BL = drawn(3, 5, WIDTH), np.arange(5)[None] < np.array([5, 2, 4])[:, None]
    first = [np.tile(vector.numpy(), (3, 1)) for vector in (layer.first_hidden_H, layer.first_cell_H)]
    right_BLH = ops.convert_to_numpy(theirs(x_BLD, mask=mask_BL, initial_state=first))
    np.testing.assert_allclose(run(layer, x_BLD, (5, 2, 4))[mask_BL], right_BLH[mask_BL], atol=1e-5)


def test_initial_lstm_weights_are_those_of_the_paper_and_its_code():
    layer = made(size=8, recurrent_start="identity")
    recurrent_HG, shift_G = layer.recurrent_HG.numpy(), layer.shift_G.numpy()
    np.testing.assert_array_equal(recurrent_HG[:, :8], np.eye(8))
    np.testing.assert_allclose(recurrent_HG[:, 8:] @ recurrent_HG[:, 8:].T, np.eye(8), atol=1e-5)
    np.testing.assert_array_equal(shift_G.reshape(4, 8)[:, 0], [0, 1, 0, 0])
    for matrix in (made(size=8).recurrent_HG.numpy(), layer.input_DG.numpy()):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-5)
    for norm in (layer.input_norm, layer.recurrent_norm, layer.cell_norm):
        np.testing.assert_array_equal(norm.scale_C.numpy(), np.float32(0.1))
    assert layer.cell_norm.shifted and not layer.input_norm.shifted and not layer.recurrent_norm.shifted
    for vector in (layer.first_hidden_H, layer.first_cell_H, layer.cell_norm.shift_C):
        assert not vector.numpy().any()


def test_noise_on_the_initial_state_is_added_in_training_with_norms_only(scrambled):
    x_BLD = drawn(3, 2, WIDTH)
    real_BL = ops.ones((3, 2), "bool")
    for batch_norm, differs in ((True, True), (False, False)):
        layer = made(scrambled, batch_norm=batch_norm, noise=0.5)
        one, same, other = (
            ops.convert_to_numpy(layer(ops.convert_to_tensor(x_BLD), real_BL, forward_of(True, seed=seed)))
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert (abs(one - other).max() > 1e-3) == differs
    np.testing.assert_array_equal(run(layer, x_BLD), run(layer, x_BLD))


def test_real_positions_are_reversed_and_padding_stays_after_them():
    x_BLD = np.arange(8, dtype="float32").reshape(2, 4, 1)
    real_BL = ops.convert_to_tensor(np.array([[True, True, True, False], [False] * 4]))
    reversed_BLD = ops.convert_to_numpy(reversed_real(ops.convert_to_tensor(x_BLD), real_BL))
    np.testing.assert_array_equal(reversed_BLD[..., 0], [[2, 1, 0, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(ops.convert_to_numpy(last_real(ops.convert_to_tensor(x_BLD), real_BL)), [[2], [4]])
