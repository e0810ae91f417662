"""The record of a run in its directory, so that resuming and decoding need nothing but `--output_dir`.

`config.json` holds the RunConfig, the hparams, the signatures of the problems, plugins, versions, the
fingerprints of the vocabularies and class lists copied beside it, and the command line.
"""

import dataclasses
import importlib
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import t2t_mm
from t2t_mm import cores, plugins
from t2t_mm.atomic_file import atomic_write
from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.fingerprint import fingerprint
from t2t_mm.hparam_set import ENDING, DataHparams, HparamSet, TrainingHparams
from t2t_mm.plugins import Plugin
from t2t_mm.run_config import KEPT, RunConfig

CONFIG = "config.json"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One training run, as `config.json` of its run directory holds it."""

    run_config: RunConfig  # the fields of `KEPT`, with nothing left open
    hparams: HparamSet  # as trained: the set with all changes
    problems: Mapping[str, Signature]
    target_ratios: Mapping[str, float] = dataclasses.field(default_factory=dict)  # GeneratedProblem.target_ratio
    plugins: tuple[Plugin, ...] = ()
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)  # copied beside: name to sha256
    records: Mapping[str, str] = dataclasses.field(default_factory=dict)  # "problem split" to Split.fingerprint
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    command_line: tuple[str, ...] = ()


def save(record: RunRecord, output_dir: Path) -> Path:
    """Write `record` into `output_dir` atomically; return the file. Raises UserError when it cannot be written."""
    hparams = record.hparams
    body = type(hparams.body)
    content = {
        "run_config": _kept(record.run_config),
        "model": hparams.model,
        "body_record": f"{body.__module__}:{body.__qualname__}",
        "body": asdict(hparams.body),
        "training": asdict(hparams.training),
        "data": asdict(hparams.data),
        "problems": {name: asdict(signature) for name, signature in record.problems.items()},
        "target_ratios": dict(record.target_ratios),
        "plugins": [asdict(plugin) for plugin in record.plugins],
        "files": dict(record.files),
        "records": dict(record.records),
        "versions": dict(record.versions),
        "command_line": list(record.command_line),
    }
    path = output_dir / CONFIG
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def load(output_dir: Path) -> RunRecord:
    """Read what `save` wrote, after loading the run's plugins.

    Raises UserError when there is no run in `output_dir`, or when its config.json or a plugin is missing or broken.
    """
    content = _read(output_dir)
    path = output_dir / CONFIG
    recorded = read_plugins(output_dir)
    plugins.load(recorded=recorded)
    try:
        return RunRecord(
            run_config=_run_config(content),
            hparams=HparamSet(
                model=content["model"],
                body=_record(_class(content["body_record"]), content["body"]),
                training=_record(TrainingHparams, content["training"]),
                data=_record(DataHparams, content["data"]),
            ),
            problems={name: _signature(signature) for name, signature in content["problems"].items()},
            target_ratios=content["target_ratios"],
            plugins=tuple(recorded),
            files=content["files"],
            records=content.get("records", {}),
            versions=content["versions"],
            command_line=tuple(content["command_line"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise UserError(f"{path} cannot be read as a run of this version: {_reason(error)}.") from error


def _kept(config: RunConfig) -> dict[str, Any]:
    """Return the fields of `config` that a run directory keeps, as JSON holds them."""
    values = {name: getattr(config, name) for name in KEPT}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def _run_config(content: Mapping[str, Any]) -> RunConfig:
    """Return the RunConfig of a config.json; version 0.1.0 kept five of its fields under names of their own."""
    if "run_config" in content:
        return RunConfig(**content["run_config"])
    return RunConfig(
        problems=tuple(content["problems"]),
        hparams_set=content["hparams_set"] or None,
        random_seed=content["seed"],
        train_steps=content.get("train_steps") or None,
        warm_start_from=content.get("began_from") or None,
        left_out=tuple(content.get("left_out", ())),
    )


def read_plugins(output_dir: Path) -> list[Plugin]:
    """Return the plugins of the run in `output_dir`, not loaded. Raises UserError as `load`."""
    try:
        return [Plugin(**plugin) for plugin in _read(output_dir)["plugins"]]
    except (KeyError, TypeError) as error:
        raise UserError(f"{output_dir / CONFIG} cannot be read as a run of this version: {_reason(error)}.") from error


def read_files(output_dir: Path) -> dict[str, str]:
    """Return the fingerprints of the vocabularies and class lists of the run. Raises UserError as `load`."""
    return dict(_read(output_dir).get("files", {}))


def check_same(saved: RunRecord, wanted: RunRecord, output_dir: Path) -> list[str]:
    """Check that the run `wanted` may continue the run `saved` in `output_dir`.

    Returns:
        One sentence for each difference that is allowed: training and data hparams, versions.

    Raises:
        UserError: another model, body, problems, vocabularies or seed (every key that differs is named), or other data.
    """
    obstacles = [
        *_differing("", {"model": saved.hparams.model}, {"model": wanted.hparams.model}),
        *_differing("hparam ", asdict(saved.hparams.body), asdict(wanted.hparams.body)),
        *_differing("problem ", dict.fromkeys(saved.problems), dict.fromkeys(wanted.problems)),
        *_differing("problem ", _ports(saved.problems, wanted.problems), _ports(wanted.problems, saved.problems)),
        *_differing("", saved.files, wanted.files),
        *_differing("", _seed(saved), _seed(wanted)),
    ]
    if obstacles:
        raise UserError(
            f"{output_dir} holds another run: {'; '.join(obstacles)}. "
            f"Choose another --output_dir, or the settings that the run was started with."
        )
    check_records(saved, wanted.records, output_dir)
    return [
        f"{difference}."
        for difference in (
            *_differing("hparam ", asdict(saved.hparams.training), asdict(wanted.hparams.training)),
            *_differing("hparam ", asdict(saved.hparams.data), asdict(wanted.hparams.data)),
            *_differing("", *_ends(saved, wanted)),
            *_differing("version of ", saved.versions, wanted.versions),
        )
    ]


def _seed(record: RunRecord) -> dict[str, int | None]:
    return {"seed": record.run_config.random_seed}


def _ends(saved: RunRecord, wanted: RunRecord) -> tuple[dict[str, int], dict[str, int]]:
    """Return the last step of each run where the learning rate of every step depends on it, else nothing."""
    first, second = saved.run_config.train_steps, wanted.run_config.train_steps
    if not first or not second or wanted.hparams.training.learning_rate_schedule not in ENDING:
        return {}, {}
    return {"train_steps": first}, {"train_steps": second}


def check_records(saved: RunRecord, now: Mapping[str, str], output_dir: Path) -> None:
    """Raise UserError if the run `saved` in `output_dir` began with other data than `now` (`RunRecord.records`)."""
    changed = [
        f"the files of {name} had the fingerprint {then[:12]} in its manifest, and have {now[name][:12]} now"
        for name, then in saved.records.items()
        if now.get(name, then) != then
    ]
    if changed:
        raise UserError(
            f"The data has changed since the run in {output_dir} began: {'; '.join(changed)}. Bring it back, or begin "
            f"another run on the new data with --warm_start_from={output_dir}."
        )


def copy_files(data_dir: Path, output_dir: Path, fingerprints: Mapping[str, str]) -> None:
    """Copy the vocabularies and class lists that `fingerprints` names into the run directory, unless they are there.

    Raises UserError when one is missing in `data_dir`, cannot be written, or is there with other content: the run's
    weights belong to the one that it has.
    """
    for name, sha256 in fingerprints.items():
        source, target = data_dir / name, output_dir / name
        if not source.is_file():
            raise UserError(f"{source} is missing; t2t-mm-datagen makes it.")
        if not target.exists():
            with atomic_write(target) as partial:
                shutil.copyfile(source, partial)
        elif fingerprint(target) != sha256:
            raise UserError(
                f"{target} and {source} differ: the run was trained with another one. "
                f"Pass the --data_dir that it was trained on, or choose another --output_dir."
            )


def versions() -> dict[str, str]:
    """Return the versions and the number of threads: with seed and hparams they decide if a run repeats bit for bit."""
    import keras

    packages = {name: importlib.metadata.version(name) for name in ("keras", keras.backend.backend(), "numpy")}
    own = {"t2t_mm": t2t_mm.__version__, "python": platform.python_version()}
    return {**own, **packages, "threads": cores.threads()}


def _read(output_dir: Path) -> dict[str, Any]:
    path = output_dir / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{output_dir} holds no run: there is no {CONFIG}. t2t-mm-trainer writes one.") from None
    except (ValueError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{path} is broken: {_reason(error)}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is broken: it holds a {type(content).__name__}, not what a trainer writes.")
    return content


def _class(address: str) -> type:
    module, _, name = address.partition(":")
    record = getattr(importlib.import_module(module), name)
    if not (isinstance(record, type) and dataclasses.is_dataclass(record)):
        raise TypeError(f"{address} is not an hparams record")
    return record


def _record(kind: type, values: Mapping[str, Any]) -> Any:
    types = {field.name: getattr(field.type, "__name__", field.type) for field in fields(kind)}
    for name, value in values.items():
        if name not in types:
            raise ValueError(f"there is no hparam {name!r}")
        if type(value).__name__ != types[name] and not (types[name] == "float" and type(value) is int):
            raise ValueError(f"hparam {name} is {value!r}, not a value of type {types[name]}")
    return kind(**values)


def _signature(values: Mapping[str, Any]) -> Signature:
    inputs = values["inputs"]
    return Signature(None if inputs is None else Port(**inputs), Port(**values["targets"]), values["command"])


def _ports(problems: Mapping[str, Signature], others: Mapping[str, Signature]) -> dict[str, Any]:
    """Return the ports of those of `problems` that are in `others` too, by readable names."""
    flat = {}
    for name in [name for name in problems if name in others]:
        for key, value in asdict(problems[name]).items():
            inner = value if isinstance(value, dict) else {"": value}
            flat.update({f"{name} {key} {field}".rstrip(): one for field, one in inner.items()})
    return flat


def _differing(kind: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    differences = []
    for name in dict.fromkeys([*there, *here]):
        if name not in here:
            differences.append(f"{kind}{name} is part of it and was not requested")
        elif name not in there:
            differences.append(f"{kind}{name} is no part of it")
        elif there[name] != here[name]:
            differences.append(f"{kind}{name} is {there[name]} there and {here[name]} here")
    return differences


def _reason(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
