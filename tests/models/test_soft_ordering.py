"""Soft ordering's body against equations 2, 3 and 7 in NumPy, and the nets around it."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward, Noise, Watched
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.net import Net
from t2t_mm.models.soft_ordering.body import SoftOrdering, permutation
from t2t_mm.models.soft_ordering.hparams import SoftOrderingHparams
from t2t_mm.registry import HPARAM_SETS

ROW, KIND, IMAGE = Port("vector", "vector_a", 3), Port("label", "label_a", 2), Port("image", "image", 0)
OTHER_ROW, OTHER_KIND = Port("vector", "vector_b", 4), Port("label", "label_b", 5)
TABLES = {"a": Signature(ROW, KIND, "to-label"), "b": Signature(OTHER_ROW, OTHER_KIND, "to-label")}
IMAGES = {"a": Signature(IMAGE, KIND, "to-label"), "b": Signature(IMAGE, OTHER_KIND, "to-label")}
RNG = np.random.default_rng(0)
D = 5
X_B1D = RNG.uniform(0, 1, (2, 1, D)).astype("float32")


def body(ordering="soft", problems=("a", "b"), **changes):
    made = SoftOrdering(SoftOrderingHparams(hidden_size=D, ordering=ordering, **changes))
    made.problems = problems
    made.build(D)
    return made


def encoded(made, problem="a", x_BLD=X_B1D, grid=None, noise=None):
    forward = Forward(noise)
    forward.problem = problem
    real_BL = ops.ones(x_BLD.shape[:2], "bool")
    return made.encode(Seq(ops.convert_to_tensor(x_BLD), real_BL, grid=grid), forward)


def numpy_dense(core):
    """Each layer as a function of arrays."""
    weights = [(layer.weight_DD.numpy(), layer.shift_D.numpy()) for layer in core.stack]
    return [lambda x, w=w, b=b: np.maximum(x @ w + b, 0) for w, b in weights]


def numpy_conv(core):
    def layer(x_BHWD, w, b):
        batch, height, width, _ = x_BHWD.shape
        padded = np.pad(x_BHWD, [(0, 0), (1, 1), (1, 1), (0, 0)])
        y = b + sum(padded[:, i : i + height, j : j + width] @ w[i, j] for i in range(3) for j in range(3))
        y = np.maximum(y, 0)[:, : height // 2 * 2, : width // 2 * 2]
        return y.reshape(batch, height // 2, 2, width // 2, 2, -1).max(axis=(2, 4))

    weights = [(part.weight_33DD.numpy(), part.shift_D.numpy()) for part in core.stack]
    return [lambda x, w=w, b=b: layer(x, w, b) for w, b in weights]


def softmax(logits_JK):
    power_JK = np.exp(logits_JK)
    return power_JK / power_JK.sum(axis=0)


def test_soft_is_equation_7_with_a_softmax_over_layers(scrambled):
    made = scrambled(body())
    for problem in made.problems:
        share_JK = softmax(made.scalings[problem].logits_JK.numpy())
        y = X_B1D
        for k in range(4):
            y = sum(share_JK[j, k] * layer(y) for j, layer in enumerate(numpy_dense(made.core)))
        np.testing.assert_allclose(encoded(made, problem).values_BLD, y, rtol=1e-4, atol=1e-5)


def test_scalings_start_equal_so_that_every_depth_is_the_mean_of_the_layers(scrambled):
    made = scrambled(body())
    for part in made.scalings.values():
        part.logits_JK.assign(np.zeros((4, 4)))
    assert (ops.convert_to_numpy(body().shares("b")) == 0.25).all()
    y = X_B1D
    for _ in range(4):
        y = np.mean([layer(y) for layer in numpy_dense(made.core)], axis=0)
    np.testing.assert_allclose(encoded(made).values_BLD, y, rtol=1e-4, atol=1e-5)


def test_one_layer_by_hand():
    made = body(shared_layers=1)
    made.core.stack[0].weight_DD.assign(np.diag([1, -1, 2, 0, 1.0]))
    made.core.stack[0].shift_D.assign([0, 0, -1, 3, 0])
    x_B1D = np.array([[[1, 1, 1, 1, -2]]], "float32")
    assert ops.convert_to_numpy(encoded(made, x_BLD=x_B1D).values_BLD).tolist() == [[[1, 0, 1, 3, 0]]]


@pytest.mark.parametrize("ordering", ["parallel", "permuted", "single"])
def test_fixed_orders_are_equations_2_and_3(ordering, scrambled):
    made = scrambled(body(ordering))
    for problem in made.problems:
        core = made.alone[problem] if ordering == "single" else made.core
        order = permutation(f"0 {problem}", 4) if ordering == "permuted" else range(4)
        y, layers = X_B1D, numpy_dense(core)
        for j in order:
            y = layers[j](y)
        np.testing.assert_allclose(encoded(made, problem).values_BLD, y, rtol=1e-4, atol=1e-5)
        assert not hasattr(made, "scalings")


def test_permutations_differ_by_problem_and_seed_and_do_not_change():
    assert permutation("0 uci_iris", 4) == permutation("0 uci_iris", 4)
    drawn = {tuple(permutation(f"{seed} {name}", 4)) for seed in range(5) for name in "abcdefgh"}
    assert len(drawn) > 12 and all(sorted(order) == [0, 1, 2, 3] for order in drawn)


@pytest.mark.parametrize("side", [16, 21])
def test_convolutions_halve_the_grid_and_follow_the_same_equation(side, scrambled):
    made = scrambled(body(core="conv"))
    x_BHWD = RNG.uniform(0, 1, (2, side, side, D)).astype("float32")
    share_JK = softmax(made.scalings["a"].logits_JK.numpy())
    y = x_BHWD
    for k in range(4):
        y = sum(share_JK[j, k] * layer(y) for j, layer in enumerate(numpy_conv(made.core)))
    memory = encoded(made, x_BLD=x_BHWD.reshape(2, -1, D), grid=(side, side))
    assert memory.grid == (1, 1) and memory.values_BLD.shape == (2, 1, D)
    np.testing.assert_allclose(ops.convert_to_numpy(memory.values_BLD).reshape(y.shape), y, rtol=1e-3, atol=1e-4)


def test_dropout_falls_on_each_layer_and_depth_anew(scrambled):
    made = scrambled(body(dropout=0.5, shared_layers=2))
    plain = ops.convert_to_numpy(encoded(made).values_BLD)
    noisy = [ops.convert_to_numpy(encoded(made, noise=Noise(np.uint32(seed))).values_BLD) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert (noisy[0] != noisy[2]).any() and (noisy[0] != plain).any()


def test_a_watched_pass_reports_the_ordering_of_the_problem():
    for ordering in ("soft", "parallel", "permuted"):
        made, watched = body(ordering), Watched()
        forward = Forward(watched=watched)
        forward.problem = "b"
        made.encode(Seq(ops.convert_to_tensor(X_B1D), ops.ones((2, 1), "bool")), forward)
        (share_JK,) = watched.ordering.values()
        np.testing.assert_allclose(ops.sum(share_JK, axis=0), np.ones(4), rtol=1e-6)
        np.testing.assert_allclose(share_JK, made.shares("b"))
    order = permutation("0 b", 4)
    assert [int(j) for j in np.argmax(ops.convert_to_numpy(share_JK), axis=0)] == order


@pytest.fixture(scope="module", params=["tables", "images"])
def net(request, scrambled):
    of, change = {"tables": (TABLES, "soft_ordering_uci"), "images": (IMAGES, "soft_ordering_omniglot_small")}[
        request.param
    ]
    made = Net(of, HPARAM_SETS[change]().override("hidden_size=5"))
    made.build()
    return scrambled(made)


def batch(net, problem):
    signature = net.signatures[problem]
    pixels = {"pixels": RNG.integers(0, 256, (3, 32, 32, 3)).astype("uint8")}
    values = {"values": RNG.normal(size=(3, signature.inputs.size)).astype("float32")}
    inputs = values if signature.inputs.modality == "vector" else pixels
    return {"inputs": inputs, "targets": {"class": np.array([1, 0, -1], "int32")}}


def test_encoder_core_and_decoder_make_the_loss_of_real_rows(net):
    for problem in net.signatures:
        features = batch(net, problem)
        loss = net.loss(problem, features, np.int32(0), Forward(), 0.0)
        logits_BV = ops.convert_to_numpy(net.teacher_forced(problem, features, np.int32(0))[0])[:, 0]
        nats_B = np.log(np.exp(logits_BV).sum(axis=1)) - logits_BV[np.arange(3), [1, 0, 0]]
        assert float(loss.count) == 2 and float(loss.nats) == pytest.approx(nats_B[:2].sum(), rel=1e-3)


def test_a_problem_has_an_encoder_a_decoder_and_scalings_of_its_own(net):
    paths = {weight.path for weight in net.weights}
    for problem in net.signatures:
        assert f"net/body/ordering_{problem}/logits" in paths
        assert f"net/label_{problem}/score/rows" in paths
    assert len([path for path in paths if path.startswith("net/body/core/")]) == 8
    assert net.kind("a") != net.kind("b")


def test_other_models_read_vectors_too(scrambled):
    sets = {
        "multimodel_demo": "hidden_size=8,encoder_blocks=1,decoder_blocks=1,experts=0,attention_heads=2",
        "transformer_tiny": "hidden_size=8,encoder_layers=1,decoder_layers=1,filter_size=12,attention_heads=2",
        "bn_lstm_tiny": "hidden_size=8",
    }
    for name, change in sets.items():
        made = Net(TABLES, HPARAM_SETS[name]().override(change))
        made.build()
        loss = made.loss("a", batch(made, "a"), np.int32(0), Forward(), 0.0)
        assert np.isfinite(float(loss.nats)) and float(loss.count) == 2


@pytest.mark.parametrize(
    ("name", "of", "change", "message"),
    [
        ("soft_ordering_uci", IMAGES, "", "Images need core=conv. Received: core=dense."),
        ("soft_ordering_omniglot", TABLES, "", "Vectors need core=dense. Received: core=conv."),
        ("soft_ordering_omniglot", IMAGES, "hidden_size=2", "hidden_size must be at least 3"),
        ("soft_ordering_omniglot", IMAGES, "image_size=15", "image_size must be at least 16. Received: 15."),
        (
            "soft_ordering_uci",
            {"read": Signature(Port("text", "text_words", 9), KIND, "to-label")},
            "",
            "The model soft_ordering cannot learn read: its inputs are text, and soft_ordering reads only vector or",
        ),
    ],
)
def test_problems_that_do_not_fit_the_hparams_are_refused_in_a_sentence(name, of, change, message):
    with pytest.raises(UserError) as refused:
        Net(of, HPARAM_SETS[name]().override(change)).build()
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [("ordering=sof", "Did you mean 'soft'"), ("core=sparse", "core"), ("shared_layers=0", "shared_layers")],
)
def test_hparams_are_checked(change, message):
    with pytest.raises(UserError, match=message):
        HPARAM_SETS["soft_ordering_uci"]().override(change)


@pytest.mark.parametrize(
    ("name", "of", "expected"),
    [
        # encoders 3 and 4 columns, four layers, decoders of 2 and 5 classes, 2 x 16 scalings, the command
        ("soft_ordering_uci", TABLES, (7 * 32 + 64) + 4 * (32**2 + 32) + (7 * 33) + 32 + 32),
        ("soft_ordering_omniglot", IMAGES, 4 * (9 * 53**2 + 53) + 7 * (36 * 53 + 1) + 32 + 53),
    ],
)
def test_parameter_counts_are_those_of_the_arithmetic(name, of, expected):
    made = Net(of, HPARAM_SETS[name]())
    made.build()
    assert sum(int(np.prod(weight.shape)) for weight in made.trainable_variables) == expected
