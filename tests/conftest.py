"""Fixtures of all tests: a home for each, commands as a user runs them, registries that are put back."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import t2t_mm
from t2t_mm.registry import REGISTRIES

# XLA reads this at its first program, here and in every process that a test starts. Its programs compute the same but
# for last digits; their machine code is not polished, which is most of the time of a test that decodes a little.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()

pytest_plugins = ["small_runs"]

Command = Callable[..., "subprocess.CompletedProcess[str]"]
HOMES = itertools.count()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of one test, so that no test writes into the user's.

    The folder does not exist yet. It is not below `tmp_path`, which takes time to make and which few tests need.
    """
    home = tmp_path_factory.getbasetemp() / f"home-{next(HOMES)}"
    monkeypatch.setenv("T2T_MM_HOME", str(home))
    return home


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run a command, or Python with arguments, as a user does, on the very package that is under test."""
    package = str(Path(t2t_mm.__file__).parents[1])

    def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        own = ("trainer", "decoder", "datagen", "evaluator", "avg_checkpoints", "diff_runs", "surgery")
        program = ["-m", f"t2t_mm.bin.{name}"] if name in own else [name]
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": package},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run


@pytest.fixture(scope="session")
def scrambled() -> Callable[..., Any]:
    """Return a function that gives every weight of a layer random values: none is zero, one or equal to another."""

    def scramble(layer: Any, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        for weight in sorted(layer.trainable_variables, key=lambda weight: weight.path):
            weight.assign(rng.normal(0, 0.5, weight.shape))
        return layer

    return scramble


@pytest.fixture(scope="session")
def gradients() -> Callable[..., dict[str, np.ndarray]]:
    """Return a function: the gradients of `objective()` in the variables `weights`, by path; zeros where unused."""

    def gradients_of(objective: Callable[[], Any], weights: list[Any]) -> dict[str, np.ndarray]:
        import keras
        from keras import ops

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                value = objective()
            computed = tape.gradient(value, [weight.value for weight in weights], unconnected_gradients="zero")
        else:
            import jax

            def of(values: list[Any]) -> Any:
                with keras.StatelessScope(list(zip(weights, values, strict=True))):
                    return objective()

            computed = jax.jit(jax.grad(of))([weight.value for weight in weights])
        return {
            weight.path: ops.convert_to_numpy(ops.convert_to_tensor(one))
            for weight, one in zip(weights, computed, strict=True)
        }

    return gradients_of


@pytest.fixture(scope="session")
def untrained_run(tmp_path_factory: pytest.TempPathFactory, scrambled: Callable[..., Any]) -> Path:
    """The run directory, as a trainer leaves it, of a very small net with random weights. Copy it to change it."""
    from t2t_mm import run_directory
    from t2t_mm.data.features.tree import SYMBOLS
    from t2t_mm.data.input.generated_problem import open_codecs, signature
    from t2t_mm.data.vocabulary import Vocabulary
    from t2t_mm.fingerprint import fingerprint
    from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
    from t2t_mm.models.multimodel.hparams import MultiModelHparams
    from t2t_mm.models.net import Net
    from t2t_mm.registry import PROBLEMS
    from t2t_mm.run_config import RunConfig
    from t2t_mm.train import checkpoint

    folder = tmp_path_factory.mktemp("untrained") / "run"
    folder.mkdir()
    problems = {name: PROBLEMS[name] for name in ("translate_north_south", "parsing_grammar", "image_shapes")}
    for file in {file for problem in problems.values() for file in problem.targets.files()}:
        if file.startswith("vocab."):
            Vocabulary.train(folder / file, ["the dog sleeps", "a cat sees the dog"], 1000, SYMBOLS)
        else:
            (folder / file).write_text("".join(f"{name}\n" for name in "abcdefghi"))
    body = MultiModelHparams(
        hidden_size=16, encoder_blocks=1, mixer_blocks=1, decoder_blocks=1, experts=0, attention=False
    )
    config = run_directory.RunRecord(
        run_config=RunConfig(problems=tuple(problems), random_seed=0),
        hparams=HparamSet("multimodel", body, TrainingHparams(), DataHparams(image_size=16, max_length=60)),
        problems={name: signature(problem, open_codecs(problem, folder)) for name, problem in problems.items()},
        target_ratios={"translate_north_south": 1.1, "parsing_grammar": 3.0, "image_shapes": 1.0},
        files={path.name: fingerprint(path) for path in folder.iterdir()},
    )
    net = Net(config.problems, config.hparams)
    net.build()
    scrambled(net)
    run_directory.save(config, folder)
    checkpoint.save(folder, 7, net.tensors(), {"step": 7}, keep=0)
    return folder


@pytest.fixture(scope="session")
def flip() -> Callable[[Path, int], int]:
    """Return a function that flips a byte of a record of a small shard, and returns where the record begins.

    By Riegeli's format of files: 64 bytes stand before the first chunk, and in each of them 40 before its data, the
    size of which is in bytes 8 to 15. A chunk holds one record.
    """

    def flip(shard: Path, record: int) -> int:
        content, start = bytearray(shard.read_bytes()), 64
        for _ in range(record):
            start += 40 + int.from_bytes(content[start + 8 : start + 16], "little")
        content[start + 40] ^= 1
        shard.write_bytes(content)
        return start

    return flip


@pytest.fixture
def forgetful_registries() -> Iterator[None]:
    """Remove what a test registers after the test."""
    before = {kind: (dict(registry._address), dict(registry._items)) for kind, registry in REGISTRIES.items()}
    yield
    for kind, (addresses, items) in before.items():
        REGISTRIES[kind]._address, REGISTRIES[kind]._items = addresses, items
