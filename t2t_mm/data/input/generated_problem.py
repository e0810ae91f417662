"""A generated problem, opened: its codecs on the very files that its records were made with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from t2t_mm.data.input.records import Manifest, check_fingerprints
from t2t_mm.errors import UserError
from t2t_mm.feature import Codec, Port, Signature
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV, TRAIN, Problem


@dataclass(frozen=True)
class GeneratedProblem:
    """A problem whose records lie in `folder`."""

    name: str
    problem: type[Problem]
    codecs: Mapping[str, Codec]  # by feature, inputs first
    manifest: Manifest
    folder: Path

    @property
    def signature(self) -> Signature:
        return signature(self.problem, self.codecs)

    @property
    def fingerprints(self) -> dict[str, str]:
        """What the files of the splits that a run reads hold, by "problem split"."""
        splits = self.manifest.splits
        return {f"{self.name} {split}": splits[split].fingerprint for split in (TRAIN, DEV) if split in splits}

    @property
    def target_ratio(self) -> float:
        """The summed length of the training targets over that of the inputs: how long an output is to be expected."""
        tokens = self.manifest.splits[TRAIN].tokens
        return tokens["targets"] / max(1, tokens.get("inputs", 1))

    def read_lengths(self, lengths_NF: np.ndarray, hparams: DataHparams) -> np.ndarray:
        """Lengths of examples, int[N, F], as those of what is read at once of them: of windows, where it is less."""
        found_NF = lengths_NF.copy()
        for column, codec in enumerate(self.codecs.values()):
            lengths, place_N = np.unique(lengths_NF[:, column], return_inverse=True)
            read = [codec.read_length(length, hparams) for length in lengths.tolist()]
            found_NF[:, column] = np.array(read, lengths_NF.dtype)[place_N]
        return found_NF


def open_problem(name: str, problem: type[Problem], data_dir: Path) -> GeneratedProblem:
    """The problem as generated below `data_dir`.

    Raises UserError when it is not, or when a vocabulary or list of classes is missing or another than that which its
    records stand on.
    """
    folder = data_dir / name
    manifest = Manifest.read(folder)
    check_fingerprints(manifest, problem, data_dir)
    codecs = open_codecs(problem, data_dir)
    if tuple(codecs) != manifest.features:
        raise UserError(
            f"{folder} holds the features {', '.join(manifest.features)}, but {name} has {', '.join(codecs)}. "
            f"Remove {folder} and generate it again."
        )
    return GeneratedProblem(name, problem, codecs, manifest, folder)


def fingerprints(ready: Mapping[str, GeneratedProblem]) -> dict[str, str]:
    """What the files of all problems hold, by "problem split"."""
    return {name: found for problem in ready.values() for name, found in problem.fingerprints.items()}


def open_codecs(problem: type[Problem], folder: Path) -> dict[str, Codec]:
    """The codecs of a problem by feature, on the vocabularies and class lists in `folder`; records are not needed."""
    codecs = {name: feature.open(folder) for name, feature in problem.features().items()}
    for name, feature in problem.features().items():
        if (found := codecs[name].port.modality) != feature.modality:
            raise ValueError(f"{feature} says its modality is {feature.modality!r}; its codec's port says {found!r}")
    return codecs


def signature(problem: type[Problem], codecs: Mapping[str, Codec]) -> Signature:
    """What a model must know of a problem."""
    inputs = codecs["inputs"].port if "inputs" in codecs else None
    return Signature(inputs, codecs["targets"].port, problem.command)


def outline(problem: type[Problem]) -> Signature:
    """Its signature as far as that is known before there are files: key and size of a port that stands on some are not,
    and its modality and 0 are in their place."""
    ports = {
        name: Port(feature.modality, feature.modality, 0) if feature.files() else feature.open(Path()).port
        for name, feature in problem.features().items()
    }
    return Signature(ports.get("inputs"), ports["targets"], problem.command)
