"""On JAX, a step on two devices gives the same as a step on one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from t2t_mm.data.input.batch import Batch
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.distributed.cluster import ALONE
from t2t_mm.train.distributed.devices import pad_rows, place_on_devices, use_all_devices
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

PROBLEMS = {"size": Signature(Port("text", "text_words", 9), Port("label", "label_size", 3), "to-label")}
SPECS = {
    "size": {
        "inputs": {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))},
        "targets": {"class": ArraySpec("int32", (None,))},
    }
}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention=False,dropout=0.2,"
    "expert_capacity=4,balance_loss=0.1,clip_grad_norm=0.3"
)
ROWS = 5  # which two devices do not share evenly


def three_steps() -> dict[str, np.ndarray]:
    """Return the results of three steps and an evaluation, and the weights and slots after them."""
    use_all_devices(ALONE)
    net = Net(PROBLEMS, HPARAMS)
    net.build()
    for seed, weight in enumerate(sorted(net.trainable_variables, key=lambda weight: weight.path)):
        weight.assign(np.random.default_rng(seed).normal(0.0, 0.3, weight.shape))
    optimizer = Optimizer(net.trainable_variables, net.commands, HPARAMS.training)
    steps = Steps(net, optimizer, SPECS, HPARAMS.training, seed=0)
    rng, results = np.random.default_rng(0), {}
    lengths_B = rng.integers(1, 6, ROWS).astype("int32")
    ids_BL = np.where(np.arange(5) < lengths_B[:, None], rng.integers(2, 9, (ROWS, 5)), 0).astype("int32")
    arrays = {"inputs": {"ids": ids_BL, "lengths": lengths_B}, "targets": {"class": np.arange(ROWS, dtype="int32") % 3}}
    batch = Batch("size", 0, tuple("abcde"), arrays)
    for step in range(1, 4):
        stepped = steps.train([batch], step, 0.01, 1.0)
        results[f"{step}/nats"], results[f"{step}/norm"] = np.array(stepped.nats), np.array(stepped.gradient_norm)
        results |= {f"{step}/{name}": np.array(report) for name, report in stepped.reports.items()}
    results |= {
        f"evaluation/{name}": sums for name, sums in steps.evaluate_batch(batch, ["neg_log_perplexity"]).items()
    }
    weight = net.trainable_variables[0].value
    results["devices"] = np.array(len(weight.sharding.device_set))
    return results | net.tensors() | optimizer.tensors()


def on_jax(devices: int, path: Path) -> dict[str, np.ndarray]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling takes most of the time here
        "PYTHONPATH": os.pathsep.join(sys.path),
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}",
    }
    done = subprocess.run(
        [sys.executable, __file__, path], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(path))


@pytest.mark.slow
def test_two_devices_give_the_same_results_as_one(tmp_path):
    pytest.importorskip("jax")
    one, two = on_jax(1, tmp_path / "one.npz"), on_jax(2, tmp_path / "two.npz")
    assert (one.pop("devices"), two.pop("devices")) == (1, 2)
    assert two.keys() == one.keys()
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_with_one_device_a_batch_is_not_changed():
    if keras.distribution.distribution() is not None:
        pytest.skip("this process has several devices")
    arrays = {"targets": {"class": np.zeros(3, "int32")}}
    assert place_on_devices(arrays) is arrays


def test_empty_rows_at_the_end_make_the_rows_a_multiple_of_the_devices():
    arrays = {"inputs": {"ids": np.ones((3, 2), "int32")}, "targets": {"class": np.array([0, 1, 2], "int32")}}
    rows = pad_rows(arrays, 2)
    np.testing.assert_array_equal(rows["inputs"]["ids"], [[1, 1], [1, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(rows["targets"]["class"], [0, 1, 2, -1])
    np.testing.assert_array_equal(pad_rows(arrays, 3)["targets"]["class"], [0, 1, 2])


def test_an_empty_row_has_places_minus_one_or_length_zero():
    places = {"places": np.array([[4, 6]], "int32")}
    hidden = {"places": np.array([[0, 3]], "int32"), "lengths": np.array([2], "int32")}
    np.testing.assert_array_equal(pad_rows({"targets": places}, 2)["targets"]["places"], [[4, 6], [-1, -1]])
    rows = pad_rows({"targets": hidden}, 2)["targets"]
    np.testing.assert_array_equal(rows["places"], [[0, 3], [0, 0]])
    np.testing.assert_array_equal(rows["lengths"], [2, 0])


if __name__ == "__main__":
    results: dict[str, Any] = {**three_steps()}
    np.savez(Path(sys.argv[1]), **results)
