"""Mixed precision: what is computed in bfloat16, what stays in float32, and that training goes on as before."""

import keras
import numpy as np
import pytest
from building_blocks import built

from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.models.net import Autocast, Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

WORDS, SIZE = Port("text", "text_words", 9), Port("label", "label_size", 3)
PICTURE, SOUND = Port("image", "image", 0), Port("audio_spectral", "audio_spectral", 0)
PROBLEMS = {
    "translate": Signature(WORDS, WORDS, "to-german"),
    "name": Signature(PICTURE, SIZE, "to-label"),
    "size": Signature(WORDS, SIZE, "to-label"),
    "transcribe": Signature(SOUND, WORDS, "to-english"),
    "write": Signature(None, WORDS, "to-english"),
}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=16,encoder_blocks=1,mixer_blocks=1,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2,"
    "dropout=0.1,attention_dropout=0.1,image_size=16"
)
TEXT = {"ids": np.array([[2, 3, 4], [5, 6, 0]], "int32"), "lengths": np.array([3, 2], "int32")}
SPEC = {
    "inputs": {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))},
    "targets": {"class": ArraySpec("int32", (None,))},
}


def features(problem):
    rng = np.random.default_rng(0)
    inputs = {
        PICTURE: {"pixels": rng.integers(0, 256, (2, 16, 16, 3), dtype="uint8")},
        SOUND: {"frames": rng.normal(size=(2, 8, 80)).astype("float32"), "lengths": np.array([8, 5], "int32")},
        WORDS: TEXT,
    }
    ports = PROBLEMS[problem]
    targets = TEXT if ports.targets == WORDS else {"class": np.array([0, 2], "int32")}
    return {"targets": targets} | ({} if ports.inputs is None else {"inputs": inputs[ports.inputs]})


def made(problems=PROBLEMS):
    keras.utils.set_random_seed(0)
    return built(Net(problems, HPARAMS))


@pytest.fixture(scope="module")
def net():
    return made()


def dtype(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_activations_are_bfloat16_and_losses_and_penalties_float32(net, problem):
    forward = Forward(Noise(np.uint32(1)), dtype="bfloat16")
    given = features(problem)
    lowered = Autocast(dtype="mixed_bfloat16")
    body = lowered(function=lambda: net.predict(problem, given, np.int32(0), forward))
    assert dtype(body.values_BLD) == "bfloat16"
    target = net.modalities[PROBLEMS[problem].targets.key]
    loss = lowered(function=lambda: target.loss(body, given["targets"], 0.1))
    assert {dtype(x) for x in (loss.objective, loss.nats, loss.count)} == {"float32"}
    assert {dtype(x) for x in (*forward.penalties.values(), *forward.reports.values())} == {"float32"}


def test_only_what_norms_gates_and_tables_hold_reads_as_float32(net):
    lowered = Autocast(dtype="mixed_bfloat16")
    weights = net.trainable_variables
    read = lowered(function=lambda: {weight.path: dtype(weight.value) for weight in weights})
    assert set(read.values()) == {"float32", "bfloat16"}
    kept = {path.rpartition("/")[2] for path, kind in read.items() if kind == "float32"}
    assert kept == {"scale", "shift", "gate", "gate_noise", "rows"}
    assert {dtype(weight.value) for weight in weights} == {"float32"}


@pytest.mark.slow
def test_a_step_in_bfloat16_is_nearly_that_in_float32():
    given = Batch("size", 0, ("train/0", "train/1"), features("size"))
    losses, moments = [], []
    for precision in ("float32", "bfloat16"):
        hparams = HPARAMS.override(f"precision={precision}").training
        net = made({"size": PROBLEMS["size"]})
        adam = Optimizer(net.trainable_variables, net.commands, hparams)
        steps = Steps(net, adam, {"size": SPEC}, hparams, seed=0)
        losses.append([float(steps.train([given], step, 0.01, 1.0).nats) for step in range(1, 16)])
        tensors = net.tensors() | adam.tensors()
        assert {str(tensor.dtype) for tensor in tensors.values()} == {"float32"}
        moments.append(tensors["net/body/encoder/block_1/step_1/pointwise/m"])
    assert losses[1][0] == pytest.approx(losses[0][0], rel=0.02) and losses[1][0] != losses[0][0]
    assert max(run[-1] / run[0] for run in losses) < 0.5
    assert np.isfinite(moments).all()


def test_another_precision_is_refused():
    with pytest.raises(UserError, match="No precision is named 'float61'. Did you mean 'bfloat16'"):
        HPARAMS.override("precision=float61")
