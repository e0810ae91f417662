"""Make a small run directory with the commands of the t2t_mm that is installed, and note what these commands compute.

`run_c705a37/` and `run_c705a37.json` beside it were made by the code of commit c705a37, from a folder that is no
checkout, with Python 3.11.7, TensorFlow 2.21.0, Keras 3.15.1 and NumPy 2.4.6:

    git worktree add /somewhere/old c705a37
    PYTHONPATH=/somewhere/old python <this file> c705a37

tests/test_old_run.py continues that run by the present code. Make it anew only with the same old code: a fixture that
the present code made would test nothing.

The run learns two problems whose data is synthetic. Its folder holds what the trainer leaves after four steps, without
events and lock. The JSON file holds what the old code did with the folder afterwards:

    machine     what decides whether the same steps give the same bits (see `machine`)
    continued   of each tensor after four steps more: the first half of the SHA-256 of its bytes, and its L2 norm
    state       of that checkpoint
    losses      of the lines of log.jsonl of these steps
    decoded     the lines that the decoder wrote for LINES
    evaluated   the figures that the evaluator wrote, by problem and name
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SAVED, CONTINUED = 4, 8  # steps
HPARAMS = (
    "hidden_size=8,experts=2,experts_per_token=1,expert_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,"
    "attention=False,batch_size=256,dropout=0.1"
)
TRAIN = (
    "--problems=image_shapes-parsing_grammar",
    "--hparams_set=multimodel_tiny",
    f"--hparams={HPARAMS}",
    "--save_checkpoints_steps=4",
    "--eval_steps=1",
)
DECODE = ("--problem=parsing_grammar", "--beam_size=2", "--decode_extra_length=4")
LINES = "the dog sleeps .\na cat that saw some river will find him .\n"
EVALUATE = ("--eval_examples=4", "--beam_size=1", "--decode_extra_length=4")
XLA_FLAGS = "--xla_backend_optimization_level=0"  # as in tests/conftest.py


def machine() -> dict[str, Any]:
    """Return what the last bits of a step depend on: packages, threads, and the features of the CPU."""
    packages = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    features: set[str] = set()
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        features.update(*(line.partition(":")[2].split() for line in lines if line.startswith("flags")))
    kinds = ("sse", "ssse", "avx", "fma", "f16c", "amx")
    return {
        **packages,
        "architecture": platform.machine(),
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS") or processors or 1),
        "cpu_features": sorted(feature for feature in features if feature.startswith(kinds)),
    }


def run(command: str, *arguments: str, folder: Path) -> None:
    """Run a command of the package in `folder`. Raises CalledProcessError when it fails."""
    environment = {**os.environ, "XLA_FLAGS": XLA_FLAGS, "T2T_MM_HOME": str(folder / "home")}
    subprocess.run([sys.executable, "-m", f"t2t_mm.bin.{command}", *arguments], cwd=folder, env=environment, check=True)


def continue_run(folder: Path) -> None:
    """Take the steps from SAVED to CONTINUED of the run in folder/run, on the data in folder/data."""
    arguments = ("--output_dir=run", "--data_dir=data", f"--train_steps={CONTINUED}", "--save_checkpoints_steps=4")
    run("trainer", *arguments, "--schedule=train", folder=folder)


def continued(folder: Path) -> dict[str, Any]:
    """Return what `continue_run` made: the tensors and the state of the checkpoint, and the losses of its steps."""
    from safetensors import safe_open

    with safe_open(folder / "run" / f"model.ckpt-{CONTINUED}.safetensors", "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        state = json.loads(file.metadata()["state"])
    return {
        "continued": {
            name: [
                hashlib.sha256(tensor.tobytes()).hexdigest()[:32],
                float((tensor.astype("float64") ** 2).sum() ** 0.5),
            ]
            for name, tensor in tensors.items()
        },
        "state": state,
        "losses": [
            [line["step"], line["loss"]]
            for line in map(json.loads, (folder / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines())
            if line["kind"] == "training" and line["step"] > SAVED
        ],
    }


def decoded(folder: Path) -> list[str]:
    """Return the lines that the decoder writes for LINES."""
    (folder / "in.txt").write_text(LINES, encoding="utf-8")
    files = ("--decode_from_file=in.txt", "--decode_to_file=out.txt")
    run("decoder", "--output_dir=run", *files, *DECODE, folder=folder)
    return (folder / "out.txt").read_text(encoding="utf-8").splitlines()


def evaluated(folder: Path) -> dict[str, dict[str, float | None]]:
    """Return the figures by problem and name that the evaluator writes into eval/ of the run."""
    before = set((folder / "run" / "eval").glob("*.json"))
    run("evaluator", "--output_dir=run", "--data_dir=data", *EVALUATE, folder=folder)
    [path] = set((folder / "run" / "eval").glob("*.json")) - before
    problems = json.loads(path.read_text(encoding="utf-8"))["problems"]
    return {
        name: {**scores["teacher_forced"], **{key: figure["value"] for key, figure in scores["decoded"].items()}}
        for name, scores in problems.items()
    }


def main(name: str) -> None:
    """Write `run_<name>/` and `run_<name>.json`."""
    target = FOLDER / f"run_{name}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run("trainer", *TRAIN, "--output_dir=run", "--data_dir=data", f"--train_steps={SAVED}", folder=folder)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder / "run", target, ignore=shutil.ignore_patterns("events.*", "lock"))
        notes = {"machine": machine(), "decoded": decoded(folder), "evaluated": evaluated(folder)}
        continue_run(folder)
        notes |= continued(folder)
    path = FOLDER / f"run_{name}.json"
    lines = re.sub(
        r"\[\s+([^][{}]+?)\s+\]", lambda match: f"[{' '.join(match[1].split())}]", json.dumps(notes, indent=1)
    )
    path.write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
