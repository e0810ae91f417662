"""Open a trained run from its directory only: its net with the weights of a checkpoint, ready to decode."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm import run_directory
from t2t_mm.data.input.generated_problem import GeneratedProblem, open_codecs, open_problem, signature
from t2t_mm.data.input.records import files_of
from t2t_mm.decoding.decoder import Decoder
from t2t_mm.errors import UserError
from t2t_mm.feature import Codec
from t2t_mm.fingerprint import fingerprint
from t2t_mm.models.net import Net
from t2t_mm.registry import PROBLEMS
from t2t_mm.run_directory import RunRecord
from t2t_mm.train import checkpoint


@dataclass(frozen=True)
class TrainedRun:
    """A trained run: its configuration, a checkpoint, and a decoder with its weights."""

    config: RunRecord
    checkpoint: Path
    decoder: Decoder


def open_run(output_dir: Path, checkpoint_path: Path | None = None) -> TrainedRun:
    """Return the run in `output_dir` with the weights of `checkpoint_path`, or of its newest intact checkpoint.

    If moving averages of the weights were kept, they are used. Broken checkpoints are reported on standard error and
    skipped. Plugins of the run are loaded; neither data nor corpora are needed.

    Raises:
        UserError: there is no run or no checkpoint, a file was changed since the training, or the definition of a
            problem was changed.
    """
    config = run_directory.load(output_dir)
    path, tensors, _ = read_checkpoint(output_dir, checkpoint_path)
    codecs = {name: _codecs(name, config, output_dir) for name in config.problems}
    net = Net(config.problems, config.hparams, config.run_config.left_out)
    net.build()
    weights = checkpoint.weights_of(tensors)
    checkpoint.check_shapes(path, weights, net.tensors(), nothing_else=False)
    net.restore(weights)
    return TrainedRun(config, path, Decoder(net, codecs, config.hparams.data, config.target_ratios))


def ready_problem(run: TrainedRun, name: str, data_dir: Path) -> GeneratedProblem:
    """Return the records of one of the run's problems, as generated below `data_dir`.

    Raises UserError if they are missing, or were made with other vocabularies or classes than the run's.
    """
    ready = open_problem(name, PROBLEMS[name], data_dir)
    for file in files_of(ready.problem):
        here, there = ready.manifest.fingerprints.get(file, "none"), run.config.files.get(file, "none")
        if here != there:
            raise UserError(
                f"{data_dir / name} was made with another {file} than {run.checkpoint.parent}: its fingerprint is "
                f"{here[:12]}, in the run it is {there[:12]}. Pass the --data_dir that the run was trained on."
            )
    return ready


def read_checkpoint(
    output_dir: Path, requested: Path | None = None
) -> tuple[Path, dict[str, np.ndarray], dict[str, Any]]:
    """Return the path, arrays and state of a checkpoint: `requested`, or the newest intact one in `output_dir`.

    Broken ones are reported on standard error and skipped. Raises UserError if there is none, or if `requested` is
    broken.
    """
    path = find_checkpoint(output_dir, requested)
    if requested is None:
        newest = checkpoint.load_newest(output_dir, lambda line: print(line, file=sys.stderr), set_aside=False)
        if newest is not None:
            return newest
    return path, *checkpoint.load(path)


def find_checkpoint(output_dir: Path, requested: Path | None = None) -> Path:
    """Return the path of `requested`, with or without its suffix, or of the newest checkpoint in `output_dir`.

    Raises UserError if there is no such checkpoint.
    """
    if requested is None:
        newest = checkpoint.latest(output_dir)
        if newest is None:
            raise UserError(f"{output_dir} has no checkpoint yet; the trainer writes one when it saves.")
        return newest
    path = checkpoint.named(requested)
    if not path.is_file():
        known = ", ".join(str(checkpoint.path_of(output_dir, step)) for step in checkpoint.steps(output_dir))
        raise UserError(f"There is no checkpoint {requested}. Checkpoints of the run: {known or 'none'}.")
    return path


def _codecs(name: str, config: RunRecord, output_dir: Path) -> dict[str, Codec]:
    problem = PROBLEMS[name]
    for feature in problem.features().values():
        for file in feature.files():
            path = output_dir / file
            if not path.is_file():
                raise UserError(f"{path} is missing, and the run needs it. Copy it back from the run's --data_dir.")
            if fingerprint(path) != config.files.get(file):
                raise UserError(f"{path} was changed since the training; copy it back from the run's --data_dir.")
    codecs = open_codecs(problem, output_dir)
    if signature(problem, codecs) != config.problems[name]:
        raise UserError(
            f"The problem {name} was changed since the training: it was {config.problems[name]}, now it is "
            f"{signature(problem, codecs)}. Use the definition of the training."
        )
    return codecs
