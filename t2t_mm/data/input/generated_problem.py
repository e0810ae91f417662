"""A generated problem, opened: its records with the codecs that they were made with."""

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
    """A problem with records in `folder`."""

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
        """The sha256 of the splits that a run reads, by "problem split"."""
        splits = self.manifest.splits
        return {f"{self.name} {split}": splits[split].fingerprint for split in (TRAIN, DEV) if split in splits}

    @property
    def target_ratio(self) -> float:
        """The summed length of the training targets over that of the inputs: the expected length of an output."""
        tokens = self.manifest.splits[TRAIN].tokens
        return tokens["targets"] / max(1, tokens.get("inputs", 1))

    def read_lengths(self, lengths_NF: np.ndarray, hparams: DataHparams) -> np.ndarray:
        """Return the lengths that are read at once, int[N, F], of examples of these lengths: those of their windows."""
        read_NF = lengths_NF.copy()
        for column, codec in enumerate(self.codecs.values()):
            lengths, place_N = np.unique(lengths_NF[:, column], return_inverse=True)
            read = [codec.read_length(length, hparams) for length in lengths.tolist()]
            read_NF[:, column] = np.array(read, lengths_NF.dtype)[place_N]
        return read_NF


def open_problem(name: str, problem: type[Problem], data_dir: Path) -> GeneratedProblem:
    """Return the problem as generated below `data_dir`.

    Raises UserError if it is not generated, or if a vocabulary or list of classes is missing or differs from the one
    that its records were made with.
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
    """Return the sha256 of each split of all problems, by "problem split"."""
    return {name: sha256 for problem in ready.values() for name, sha256 in problem.fingerprints.items()}


def open_codecs(problem: type[Problem], folder: Path) -> dict[str, Codec]:
    """Return the codecs of a problem by feature, with the vocabularies and class lists in `folder`.

    No records are needed.
    """
    codecs = {name: feature.open(folder) for name, feature in problem.features().items()}
    for name, feature in problem.features().items():
        if (modality := codecs[name].port.modality) != feature.modality:
            raise ValueError(f"{feature} has the modality {feature.modality!r}, but its codec's port has {modality!r}")
    return codecs


def signature(problem: type[Problem], codecs: Mapping[str, Codec]) -> Signature:
    """Return the signature of a problem, from its opened codecs."""
    inputs = codecs["inputs"].port if "inputs" in codecs else None
    return Signature(inputs, codecs["targets"].port, problem.command)


def signature_without_files(problem: type[Problem]) -> Signature:
    """Return the signature of a problem whose files may not exist yet.

    A port that depends on files has its modality as key and size 0.
    """
    ports = {
        name: Port(feature.modality, feature.modality, 0) if feature.files() else feature.open(Path()).port
        for name, feature in problem.features().items()
    }
    return Signature(ports.get("inputs"), ports["targets"], problem.command)
