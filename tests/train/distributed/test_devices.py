"""On JAX, a step over two devices is that of one."""

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
from t2t_mm.train.distributed.devices import padded, shared, use_all_devices
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
    """What three steps and a judgement say and leave."""
    use_all_devices(ALONE)
    net = Net(PROBLEMS, HPARAMS)
    net.build()
    for seed, weight in enumerate(sorted(net.trainable_variables, key=lambda weight: weight.path)):
        weight.assign(np.random.default_rng(seed).normal(0.0, 0.3, weight.shape))
    optimizer = Optimizer(net.trainable_variables, net.commands, HPARAMS.training)
    steps = Steps(net, optimizer, SPECS, HPARAMS.training, seed=0)
    rng, saw = np.random.default_rng(0), {}
    lengths_B = rng.integers(1, 6, ROWS).astype("int32")
    ids_BL = np.where(np.arange(5) < lengths_B[:, None], rng.integers(2, 9, (ROWS, 5)), 0).astype("int32")
    arrays = {"inputs": {"ids": ids_BL, "lengths": lengths_B}, "targets": {"class": np.arange(ROWS, dtype="int32") % 3}}
    batch = Batch("size", 0, tuple("abcde"), arrays)
    for step in range(1, 4):
        stepped = steps.train(batch, step, 0.01, 1.0)
        saw[f"{step}/nats"], saw[f"{step}/norm"] = np.array(stepped.nats), np.array(stepped.gradient_norm)
        saw |= {f"{step}/{name}": np.array(report) for name, report in stepped.reports.items()}
    saw |= {f"judged/{name}": sums for name, sums in steps.judge(batch, ["neg_log_perplexity"]).items()}
    weight = net.trainable_variables[0].value
    saw["devices"] = np.array(len(weight.sharding.device_set))
    return saw | net.tensors() | optimizer.tensors()


def on_jax(devices: int, path: Path) -> dict[str, np.ndarray]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling is what takes the time here
        "PYTHONPATH": os.pathsep.join(sys.path),
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}",
    }
    done = subprocess.run(
        [sys.executable, __file__, path], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(path))


@pytest.mark.slow
def test_two_devices_do_what_one_does(tmp_path):
    pytest.importorskip("jax")
    right, found = on_jax(1, tmp_path / "one.npz"), on_jax(2, tmp_path / "two.npz")
    assert (right.pop("devices"), found.pop("devices")) == (1, 2)
    assert found.keys() == right.keys()
    for name, value in right.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_with_one_device_a_batch_stays_as_it_is():
    if keras.distribution.distribution() is not None:
        pytest.skip("this process has several devices")
    arrays = {"targets": {"class": np.zeros(3, "int32")}}
    assert shared(arrays) is arrays


def test_rows_become_a_multiple_of_the_devices_by_empty_ones_behind():
    arrays = {"inputs": {"ids": np.ones((3, 2), "int32")}, "targets": {"class": np.array([0, 1, 2], "int32")}}
    found = padded(arrays, 2)
    np.testing.assert_array_equal(found["inputs"]["ids"], [[1, 1], [1, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(found["targets"]["class"], [0, 1, 2, -1])
    np.testing.assert_array_equal(padded(arrays, 3)["targets"]["class"], [0, 1, 2])


def test_an_empty_row_of_places_has_none_and_one_with_a_length_has_length_zero():
    places = {"places": np.array([[4, 6]], "int32")}
    hidden = {"places": np.array([[0, 3]], "int32"), "lengths": np.array([2], "int32")}
    np.testing.assert_array_equal(padded({"targets": places}, 2)["targets"]["places"], [[4, 6], [-1, -1]])
    found = padded({"targets": hidden}, 2)["targets"]
    np.testing.assert_array_equal(found["places"], [[0, 3], [0, 0]])
    np.testing.assert_array_equal(found["lengths"], [2, 0])


if __name__ == "__main__":
    found: dict[str, Any] = {**three_steps()}
    np.savez(Path(sys.argv[1]), **found)
