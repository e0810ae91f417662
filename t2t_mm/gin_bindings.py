"""gin at the edge: it binds the fields of RunConfig, as `run`, and those of the three hparams records; nothing else.

run.problems = 'builtin'
run.train_steps = 500
MultiModelHparams.dropout = 0.2
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import gin

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams, TrainingHparams
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.run_config import BOUND_BY_GIN, FIELDS, RunConfig

_REGISTERED: dict[Callable[..., object], str] = {}  # by their names in gin


def parse_gin(files: Sequence[str], bindings: Sequence[str]) -> None:
    """Read gin files and single bindings. What an earlier call in this process read is forgotten.

    Raises UserError for what gin refuses.
    """
    gin.clear_config()
    for name in HPARAM_SETS:
        _configurable(type(HPARAM_SETS[name]().body))
    for record in (TrainingHparams, DataHparams):
        _configurable(record)
    _configurable(RunConfig, "run")
    try:
        gin.parse_config_files_and_bindings(list(files), list(bindings))
    except (ValueError, OSError, SyntaxError) as error:
        raise UserError(f"gin: {' '.join(str(error).split())}") from None


def bindings(record: type) -> dict[str, Any]:
    """Return the values that gin binds to fields of a record, by field; nothing before `parse_gin`."""
    if record not in _REGISTERED:
        return {}
    names = {field.name for field in fields(record)}
    return {name: value for name, value in gin.get_bindings(_REGISTERED[record]).items() if name in names}


def run_bindings() -> dict[str, Any]:
    """Return the values that gin binds to fields of RunConfig, as `run.<field>`.

    Raises UserError for a field that the command line alone may set, and for a value of another type.
    """
    bound = bindings(RunConfig)
    for name in bound:
        if name not in BOUND_BY_GIN:
            raise UserError(f"gin: run.{name} can't be bound; give --{name} on the command line.")
    try:
        RunConfig(**{field.name: bound[field.name] for field in FIELDS if field.name in bound})
    except UserError as error:
        raise UserError(f"gin: {error}") from None
    return bound


def _configurable(target: type, name: str = "") -> None:
    """Let gin bind the arguments of `target`, under `name` or its own name."""
    if target not in _REGISTERED:
        gin.external_configurable(target, name=name or target.__name__, module="t2t_mm")
        _REGISTERED[target] = name or target.__name__
