"""Modality nets around BN-LSTM's body, its problems in other models, and how many parameters its sets have."""

import keras
import numpy as np
import pytest

from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

WORDS, IMAGE, SIZE = Port("text", "text_words", 11), Port("image", "image", 0), Port("label", "label_size", 3)
ROWS, PASSAGE = Port("scan", "scan_4", 4), Port("passage", "passage_news", 9)
PROBLEMS = {
    "to_german": Signature(WORDS, WORDS, "to-german"),
    "name": Signature(IMAGE, SIZE, "to-label"),
    "digits": Signature(ROWS, SIZE, "to-label"),
    "ask": Signature(PASSAGE, SIZE, "to-label"),
    "write": Signature(None, WORDS, "generic"),
}
LENGTHS_B, MOST = np.array([3, 5], "int32"), 6
RNG = np.random.default_rng(0)


def text(seed=0, most=MOST, size=11):
    ids_BL = np.random.default_rng(seed).integers(2, size, (2, most), dtype="int32")
    return {"ids": ids_BL, "lengths": np.minimum(LENGTHS_B, most)}  # pads are noise


CLASSES = {"class": np.array([2, 0], "int32")}
QUESTION = {
    f"question{name.removeprefix('ids').replace('lengths', '_lengths')}": a for name, a in text(2, 4, 9).items()
}
BATCHES = {
    "to_german": {"inputs": text(), "targets": text(1)},
    "name": {"inputs": {"pixels": RNG.integers(0, 256, (2, 32, 32, 3)).astype("uint8")}, "targets": CLASSES},
    "digits": {
        "inputs": {"values": RNG.integers(0, 256, (2, 5, 4)).astype("uint8"), "lengths": np.array([5, 5], "int32")},
        "targets": CLASSES,
    },
    "ask": {"inputs": text(3, size=9) | QUESTION, "targets": CLASSES},
    "write": {"targets": text(1)},
}
HPARAMS = {
    "bn_lstm": HPARAM_SETS["bn_lstm_tiny"]().override("hidden_size=8,statistics_steps=4,attentive=true,image_size=32"),
    "multimodel": HPARAM_SETS["multimodel_demo"]().override(
        "hidden_size=8,encoder_blocks=1,decoder_blocks=1,experts=0,attention_heads=2"
    ),
    "transformer": HPARAM_SETS["transformer_tiny"]().override(
        "hidden_size=8,encoder_layers=1,decoder_layers=1,filter_size=12,attention_heads=2,image_size=32"
    ),
}


@pytest.fixture(scope="module", params=list(HPARAMS))
def net(request, scrambled):
    made = Net(PROBLEMS, HPARAMS[request.param])
    made.build()
    return scrambled(made)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_model_has_a_finite_loss_on_every_problem(net, problem):
    for noise in (None, Noise(np.uint32(0))):
        loss = net.loss(problem, BATCHES[problem], np.int32(net.command(problem)), Forward(noise), 0.0)
        assert np.isfinite(float(loss.nats)) and float(loss.count) == (8 if net.generates(problem) else 2)


@pytest.mark.slow
def test_tensors_of_a_net_hold_its_statistics_and_restore_them():
    one, other = (Net(PROBLEMS, HPARAMS["bn_lstm"]) for _ in range(2))
    one.build()
    other.build()
    kept = [weight for weight in one.weights if not weight.trainable]
    assert kept and {weight.path.split("/")[-2] for weight in kept} == set(PROBLEMS)
    for weight in kept:
        weight.assign(RNG.uniform(1, 2, weight.shape))
    other.restore(one.tensors())
    for path, tensor in one.tensors().items():
        np.testing.assert_array_equal(other.tensors()[path], tensor)
    assert one.kind("to_german") != one.kind("write") and "ask" in one.kind("ask")


@pytest.mark.parametrize(
    ("name", "problem", "expected"),
    [
        # 8 H^2 in W_x and W_h, 16 H in b, h_0, c_0, three scales and a shift; head; command
        ("bn_lstm_mnist", Signature(Port("scan", "scan_1", 1), Port("label", "l", 10), "x"), 81_600 + 1_010 + 100),
        ("bn_lstm_pmnist", Signature(Port("scan", "scan_1", 1), Port("label", "l", 10), "x"), 82_710),
        ("bn_lstm_rows", Signature(Port("scan", "scan_28", 28), Port("label", "l", 10), "x"), 82_710),
        ("bn_lstm_ptb", Signature(None, Port("text", "characters", 53), "x"), 8_016_000 + 106_000 + 1_000),
        ("bn_lstm_text8", Signature(None, Port("text", "characters", 30), "x"), 32_032_000 + 120_000 + 2_000),
    ],
)
def test_parameter_counts_are_those_of_the_arithmetic(name, problem, expected):
    with keras.StatelessScope(initialize_variables=False):
        net = Net({"problem": problem}, HPARAM_SETS[name]())
        net.build()
        assert sum(int(np.prod(weight.shape)) for weight in net.trainable_variables) == expected
