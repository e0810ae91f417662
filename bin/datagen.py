"""t2t-mm-datagen: corpora to the records that training reads."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from t2t_mm import plugins
from t2t_mm.bin.command import run_command
from t2t_mm.bin.flags import DATAGEN
from t2t_mm.bin.options import datagen_options
from t2t_mm.bin.problem_names import problem_names
from t2t_mm.registry import PROBLEMS


@run_command(DATAGEN)
def main(argv: Sequence[str]) -> None:
    """Generate --problems, compare them with their checksums if asked, print examples of the one named by --inspect."""
    options = datagen_options(argv)
    from t2t_mm.data.beam_runner import Beam  # brings NumPy and Pillow, which --help can do without
    from t2t_mm.data.datagen.generate import generate

    problems = {name: PROBLEMS[name] for name in options.problems}
    generate(
        problems,
        options.data_dir,
        options.tmp_dir,
        seed=options.random_seed,
        download=True,
        max_cases=options.max_cases,
        num_shards=options.num_shards,
        processes=options.num_concurrent_processes,
        beam=Beam(options.runner, options.beam_options) if options.runner else None,
        start=partial(plugins.load, options.t2t_usr_dir),
        report=_say,
    )
    for name in options.problems if options.verify else ():
        _verify(name, options.data_dir)
    for name in problem_names(options.inspect or ""):
        _inspect(name, options.data_dir)


def _verify(name: str, data_dir: Path) -> None:
    from t2t_mm.data.input.records import Manifest, verify

    files = verify(data_dir / name, Manifest.read(data_dir / name))
    _say(f"{name}: {files} files are what was written, by their checksums.")


def _inspect(name: str, data_dir: Path) -> None:
    from t2t_mm.data.datagen.generate import inspect
    from t2t_mm.data.input.generated_problem import open_problem

    for line in inspect(open_problem(name, PROBLEMS[name], data_dir)):
        _say(line)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
