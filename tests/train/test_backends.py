"""Twenty steps on TensorFlow and the same on JAX, in a process of its own that has no TensorFlow.

Run as a script this file takes the steps on whatever backend Keras has and writes down what it saw. What test_step.py,
test_step_options.py and test_optimizer.py ask of TensorFlow they ask of JAX too.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.data.input.batch import Batch
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.layers.experts import Experts
from t2t_mm.layers.forward import Noise
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

pytestmark = pytest.mark.slow  # XLA compiles

WORDS, SIZE, PICTURE = Port("text", "text_words", 11), Port("label", "label_size", 3), Port("image", "image", 0)
PROBLEMS = {
    "to_german": Signature(WORDS, WORDS, "to-german"),
    "to_french": Signature(WORDS, WORDS, "to-french"),
    "size": Signature(WORDS, SIZE, "to-label"),
    "picture": Signature(PICTURE, SIZE, "to-label"),
}
ORDER = ("to_german", "size", "to_french", "picture", "to_german")  # of the steps, again and again
TEXT = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
SPECS = {
    name: {
        "inputs": {"pixels": ArraySpec("uint8", (None, 16, 16, 3))} if name == "picture" else TEXT,
        "targets": TEXT if signature.targets == WORDS else {"class": ArraySpec("int32", (None,))},
    }
    for name, signature in PROBLEMS.items()
}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=16,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=6,experts_per_token=2,expert_size=12,"
    "attention_heads=2,dropout=0,clip_grad_norm=0.5,image_size=16"
)
STEPS, RATE = 20, 0.003
NEAR_TIE = 1e-4  # between the logits of the last expert that was chosen and the next one


def batch(problem: str, seed: int) -> Batch:
    """Four rows, of which the last is empty."""
    rng = np.random.default_rng(seed)
    lengths_B = np.array([*rng.integers(1, 7, 3), 0], "int32")

    def text() -> dict[str, np.ndarray]:
        ids_BL = rng.integers(2, 11, (4, 6), dtype="int32")
        return {"ids": np.where(np.arange(6) < lengths_B[:, None], ids_BL, 0).astype("int32"), "lengths": lengths_B}

    inputs = {"pixels": rng.integers(0, 256, (4, 16, 16, 3), dtype="uint8")} if problem == "picture" else text()
    targets = text() if PROBLEMS[problem].targets == WORDS else {"class": np.array([0, 2, 1, -1], "int32")}
    return Batch(problem, 0, ("train/1", "train/2", "train/3"), {"inputs": inputs, "targets": targets})


def recorded_gate(self, x_ND, real_N, forward, gate=Experts._gate):
    """The gate, which also reports whom it chose and how narrowly."""
    gates_Nk, expert_Nk = gate(self, x_ND, real_N, forward)
    best_Nk, _ = ops.top_k(ops.matmul(x_ND, self.gate_DE), self.per_token + 1)
    forward.reports[f"{self.path}/chosen"] = ops.sort(expert_Nk, axis=-1)
    forward.reports[f"{self.path}/margin"] = best_Nk[:, -2] - best_Nk[:, -1]
    return gates_Nk, expert_Nk


def twenty_steps(patch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Everything that twenty steps say and leave, by name."""
    patch.setattr(Experts, "_gate", recorded_gate)
    patch.setattr(Noise, "normal", lambda self, shape, path: ops.zeros(shape))
    net = Net(PROBLEMS, HPARAMS)
    net.build()
    rng = np.random.default_rng(0)
    for weight in sorted(net.trainable_variables, key=lambda weight: weight.path):
        about = 1.0 if weight.name == "scale" else 0.0
        weight.assign(about + rng.normal(0, 0.3, weight.shape))
    adam = Optimizer(net.trainable_variables, net.commands, HPARAMS.training)
    steps = Steps(net, adam, SPECS, HPARAMS.training, seed=0)
    saw = {f"before/{path}": tensor for path, tensor in (net.tensors() | adam.tensors()).items()}
    for step in range(1, STEPS + 1):
        stepped = steps.train([batch(ORDER[step % len(ORDER)], step)], step, RATE, 1.0)
        saw[f"{step}/nats"] = ops.convert_to_numpy(stepped.nats)
        saw[f"{step}/norm"] = ops.convert_to_numpy(stepped.gradient_norm)
        saw |= {f"{step}/{path}": ops.convert_to_numpy(report) for path, report in stepped.reports.items()}
        if step == len(ORDER):
            saw["traced"] = np.array(steps.traced)
    saw["traced again"] = np.array(steps.traced) - saw["traced"]
    saw |= {f"after/{path}": tensor for path, tensor in (net.tensors() | adam.tensors()).items()}
    saw |= {
        f"judged/{name}": sums
        for name, sums in steps.evaluate_batch(batch("to_german", 0), ["neg_log_perplexity"]).items()
    }
    return saw


def on_jax(*arguments: str | Path) -> None:
    """Run Python with Keras on JAX, on the very package that is under test."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("JAX is held against TensorFlow")
    pytest.importorskip("jax")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling is what takes the time here
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def saw(tmp_path_factory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What TensorFlow saw, and what JAX."""
    path = tmp_path_factory.mktemp("jax") / "saw.npz"
    on_jax(__file__, path)
    with pytest.MonkeyPatch.context() as patch:
        return twenty_steps(patch), dict(np.load(path))


def moved(saw: dict[str, np.ndarray]) -> set[str]:
    """The weights, moments and counts that are not what they were."""
    after = {name.removeprefix("after/"): tensor for name, tensor in saw.items() if name.startswith("after/")}
    return {name for name, tensor in after.items() if not np.array_equal(tensor, saw[f"before/{name}"])}


def test_every_token_goes_to_the_same_experts(saw):
    right, found = saw
    routes = [name for name in right if name.endswith("/chosen")]
    assert len(routes) == 2 * 3 * STEPS / 5 + 2 * STEPS / 5  # encoder and decoder, or the encoder alone
    for name in routes:
        differs_N = (right[name] != found[name]).any(axis=1)
        margins_N = right[name.replace("/chosen", "/margin")]
        assert not differs_N.any(), f"{name}: margins {margins_N[differs_N]}; below {NEAR_TIE} it is a near-tie"


def test_losses_and_gradient_norms_are_the_same(saw):
    right, found = saw
    for step in range(1, STEPS + 1):
        assert found[f"{step}/nats"] == pytest.approx(right[f"{step}/nats"], abs=1e-4)
        assert found[f"{step}/norm"] == pytest.approx(right[f"{step}/norm"], rel=1e-3)
        for name in (name for name in right if name.startswith(f"{step}/net") and "/margin" not in name):
            np.testing.assert_allclose(found[name], right[name], rtol=1e-3, atol=1e-4)


def test_the_same_weights_moments_and_counts_move_and_nothing_else(saw):
    right, found = saw
    assert moved(found) == moved(right)
    left = {name.removeprefix("before/") for name in found if name.startswith("before/")} - moved(found)
    assert left == {f"net/commands/to-label{slot}" for slot in ("", "/m", "/v")} | {"steps/commands/to-label"}
    for name in (name for name in found if name.startswith("after/steps/")):
        np.testing.assert_array_equal(found[name], right[name])
    for name in (name for name in found if name.startswith("after/net/") and name.endswith("/m")):
        scale = abs(right[name]).max() + 1e-6
        np.testing.assert_allclose(found[name] / scale, right[name] / scale, atol=0.01)


def test_judging_gives_the_same_sums(saw):
    right, found = saw
    name = "judged/neg_log_perplexity"
    np.testing.assert_allclose(found[name], right[name], atol=2e-3)


def test_a_kind_is_traced_once(saw):
    for side in saw:
        assert side["traced"] == 3 and side["traced again"] == 0


def test_what_holds_of_steps_and_updates_on_tensorflow_holds_on_jax():
    names = ("step/test_steps.py", "step/test_steps_options.py", "optim/test_optimizer.py")
    files = [Path(__file__).parent / name for name in names]
    held_on_jax(*files)


def test_what_holds_of_decoding_on_tensorflow_holds_on_jax():
    folder = Path(__file__).parents[1] / "decoding"
    held_on_jax(*(folder / name for name in ("test_greedy.py", "test_beam_of_a_net.py", "test_sampling.py")))


def held_on_jax(*files: Path) -> None:
    known = "ignore:__array__:DeprecationWarning"  # Keras' variables on JAX and NumPy 2; numpy() works all the same
    on_jax("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", known, *files)


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        tensors: dict[str, Any] = {**twenty_steps(patch)}
    np.savez(Path(sys.argv[1]), **tensors)
    if "tensorflow" in sys.modules:
        raise SystemExit("TensorFlow was imported")
