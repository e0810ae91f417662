"""The operative configuration of a run: a gin file that repeats it, whatever a set, a flag or a gin file contributed.

Where things lie (data, corpora, the run itself) is no part of what a run is; it stands in comments, with what else a
command needs to repeat the run.
"""

from dataclasses import asdict
from pathlib import Path

from t2t_mm.hparam_set import RECORDS
from t2t_mm.run_config import KEPT
from t2t_mm.run_directory import RunRecord

OPERATIVE_CONFIG = "operative_config.gin"


def operative_config(record: RunRecord, data_dir: Path, tmp_dir: Path) -> str:
    """Return the text of the file: folders and plugins as comments, then every field of the run and every hparam."""
    folders = [f"--data_dir={data_dir}", f"--tmp_dir={tmp_dir}"]
    folders += [f"--t2t_usr_dir={plugin.origin}" for plugin in record.plugins if plugin.is_folder]
    blocks = [[f"# {flag}" for flag in folders]]
    values = {name: getattr(record.run_config, name) for name in KEPT}
    blocks.append(
        [
            f"run.{name} = {str(value) if isinstance(value, Path) else value!r}"
            for name, value in values.items()
            if value not in (None, "", ())
        ]
    )
    for hparams in (getattr(record.hparams, name) for name in RECORDS):
        blocks.append([f"{type(hparams).__name__}.{name} = {value!r}" for name, value in asdict(hparams).items()])
    return "\n".join("\n".join(block) + "\n" for block in blocks if block)
