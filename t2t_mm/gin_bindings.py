"""What gin files bind: the arguments of `runs.run` and the fields of the three hparams records, and nothing else.

run.problems = 'builtin'
run.train_steps = 500
MultiModelHparams.dropout = 0.2
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from types import UnionType
from typing import Any, get_args

import gin

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams, TrainingHparams
from t2t_mm.registry import HPARAM_SETS

OF_THE_CALLER = ("cluster", "command_line", "plugins", "report", "write")  # arguments that no file says
_REGISTERED: set[str] = set()


def parse_gin(files: Sequence[str], said: Sequence[str]) -> None:
    """Read gin files and single bindings, which `runs.run` then follows, and these alone: what an earlier call in this
    process read is forgotten. Raises UserError for what gin refuses.
    """
    gin.clear_config()
    for name in HPARAM_SETS:
        configurable(type(HPARAM_SETS[name]().body))
    for kind in (TrainingHparams, DataHparams):
        configurable(kind)
    try:
        gin.parse_config_files_and_bindings(list(files), list(said))
    except (ValueError, OSError, SyntaxError) as error:
        raise UserError(f"gin: {' '.join(str(error).split())}") from None


def configurable(target: Callable[..., object]) -> None:
    """Let gin bind the arguments of `target`."""
    if target.__name__ not in _REGISTERED:
        gin.external_configurable(target, name=target.__name__, module="t2t_mm")
        _REGISTERED.add(target.__name__)


def bindings(target: Callable[..., object]) -> dict[str, object]:
    """What gin binds of the fields of a record."""
    if target.__name__ not in _REGISTERED:
        return {}
    bound = gin.get_bindings(target.__name__)
    known = {field.name for field in fields(target)} if isinstance(target, type) else set(bound)
    return {name: value for name, value in bound.items() if name in known}


def bound_arguments(run: Callable[..., object]) -> dict[str, object]:
    """What gin binds of the arguments of `run`. Raises UserError for a value of another type than the argument's."""
    bound, known = bindings(run), inspect.signature(run).parameters
    for name, value in bound.items():
        if name in OF_THE_CALLER:
            raise UserError(f"gin: run.{name} can't be bound: it is what calls `run` that says it.")
        kinds = _kinds(known[name].annotation)
        if kinds and not isinstance(value, (*kinds, int) if float in kinds else kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise UserError(f"gin: run.{name} takes a value of type {wanted}; received {value!r}.")
    return bound


def _kinds(annotation: Any) -> tuple[type, ...]:
    """The plain types of an annotation such as `int | None`; none where it is of other types."""
    either = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    kinds = tuple(kind for kind in either if kind is not type(None))
    return kinds if set(kinds) <= {bool, int, float, str} else ()
