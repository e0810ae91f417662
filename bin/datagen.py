"""t2t-mm-datagen: corpora to the records that training reads."""

import sys
from collections.abc import Sequence
from pathlib import Path

from t2t_mm.bin.command import run_command
from t2t_mm.bin.flags import DATAGEN
from t2t_mm.bin.options import datagen_options, problem_names
from t2t_mm.registry import PROBLEMS


@run_command(DATAGEN)
def main(argv: Sequence[str]) -> None:
    """Generate --problems, then print examples of the one named by --inspect."""
    options = datagen_options(argv)
    from t2t_mm.data.generate import generate  # brings NumPy and Pillow, which --help can do without

    problems = {name: PROBLEMS[name] for name in options.problems}
    generate(problems, options.data_dir, options.tmp_dir, seed=options.random_seed, download=True, report=_say)
    for name in problem_names(options.inspect or ""):
        _inspect(name, options.data_dir)


def _inspect(name: str, data_dir: Path) -> None:
    from t2t_mm.data.generate import inspect
    from t2t_mm.data.ready import open_problem

    for line in inspect(open_problem(name, PROBLEMS[name], data_dir)):
        _say(line)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
