"""A run as a gin file that repeats it: what it is bound in full, whatever a set, a flag or a gin file said of it.

Where things lie (data, corpora, the run itself) is no part of what a run is; it stands in comments, with what else a
command needs that repeats the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from t2t_mm.hparam_set import RECORDS, HparamSet

OPERATIVE_CONFIG = "operative_config.gin"


def operative_config(arguments: Mapping[str, object], hparams: HparamSet, remarks: Sequence[str]) -> str:
    """The text of the file: `remarks` as comments, then `arguments` of `run`, those that are None or "" left out."""
    blocks = [[f"# {remark}" for remark in remarks]]
    said = {name: value for name, value in arguments.items() if value is not None and value != ""}
    blocks.append([f"run.{name} = {value!r}" for name, value in said.items()])
    for record in (getattr(hparams, name) for name in RECORDS):
        blocks.append([f"{type(record).__name__}.{name} = {value!r}" for name, value in asdict(record).items()])
    return "\n".join("\n".join(block) + "\n" for block in blocks if block)
