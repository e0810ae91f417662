"""t2t-mm-eval: decode the problems' dev or test sets with a trained model and compute metrics; or compare runs.

The sets are read from the records in --data_dir. One table is printed, and written as JSON and Markdown into `eval/` of
the run, or of the first of several runs.
"""

import argparse
import re
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2t_mm.bin.command import Parser, hushed, run_command
from t2t_mm.bin.common_flags import (
    add_data_dir,
    add_decoding,
    add_number,
    add_path,
    decode_options,
    expanded,
    finish,
    home,
    missing_run,
    parse,
    set_default,
)
from t2t_mm.bin.problem_names import RUNS
from t2t_mm.decoding.answers import DecodeOptions
from t2t_mm.errors import UnknownName, UserError

if TYPE_CHECKING:
    from t2t_mm.data.input.generated_problem import GeneratedProblem
    from t2t_mm.evaluation.compare_runs import Difference
    from t2t_mm.evaluation.score import Scores
    from t2t_mm.run_tools.trained_run import TrainedRun

PROGRAM = "t2t-mm-eval"
LONGEST = 100  # characters of a file's name, without its suffix


def parser() -> Parser:
    """Return the parser of t2t-mm-eval."""
    parser = Parser(
        PROGRAM,
        "Decode the dev sets of a trained model's problems and print one table of metrics; or compare runs.",
        "t2t-mm-eval --output_dir=RUN --problems=parsing_wsj --beam_size=4",
    )
    add = parser.group("what to evaluate")
    add_path(add, "--output_dir", "directory of the training run; required without --compare")
    compared = (
        "compare runs instead: the metrics of the first run minus those of each other one, on the problems that both "
        "learnt, with 95 %% confidence intervals"
    )
    add("--compare", metavar="RUN", nargs="+", type=expanded, default=[], help=compared)
    some = "names of problems, joined by '-' or ','; * matches any letters; default: all problems of the run"
    add("--problems", "--problem", metavar="NAMES", default="", help=some)
    add_data_dir(add)
    add("--split", choices=("dev", "test"), default="dev", help="which part of the data to decode; default dev")
    most = "at most this many examples of each problem, spread evenly over the split; -1: all"
    add_number(add, "--eval_examples", -1, most)
    add_path(add, "--checkpoint_path", "checkpoint to evaluate; default: the newest one of the run", "--checkpoint")
    add_decoding(parser.group("how to decode"))
    return finish(parser)


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options. `data_dir` is set, and either `output_dir`, or two or more runs in `compare`."""
    options = parse(parser(), argv, lambda options: options.output_dir)
    if options.compare:
        if options.output_dir is not None or options.checkpoint_path is not None:
            raise UserError(
                "--compare evaluates the newest checkpoint of each run that it names; leave out --output_dir and "
                "--checkpoint_path."
            )
        if len(options.compare) == 1:
            raise UserError(f"--compare={options.compare[0]} names one run; give two or more: --compare RUN1 RUN2.")
    elif options.output_dir is None:
        raise missing_run()
    if options.eval_examples == 0:
        raise UserError("--eval_examples=0 evaluates nothing; -1 takes all examples.")
    set_default(options, PROGRAM, "data_dir", home() / "data")
    return options


@run_command(PROGRAM)
def main(argv: Sequence[str]) -> None:
    """Evaluate a run, or compare several."""
    options = parse_options(argv)
    with hushed():
        from t2t_mm.run_tools import trained_run  # noqa: F401  brings Keras and its backend, which --help can do without

    if options.compare:
        compare(options)
    else:
        evaluate(options)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate the problems of one run; print and write one table."""
    from rich.console import Console

    from t2t_mm import run_directory
    from t2t_mm.evaluation.score_report import scores_json, scores_table, write

    how = decode_options(options)
    names = matching(options.problems, run_directory.load(options.output_dir).problems)
    run = _open(options.output_dir, options.checkpoint_path)
    problems = _problems(run, names, options)
    scores = _scores(run, problems, options, how)
    step = _step(run)
    title = f"{options.output_dir.resolve().name} at step {step}: {_split(options)}"
    table = scores_table(title, scores, search_text(how))
    table.show(Console())
    content = _settings_json(options, how) | {
        "checkpoint": run.checkpoint.name,
        "problems": {one.problem: scores_json(one) for one in scores},
    }
    some = () if len(problems) == len(run.config.problems) else tuple(one.name for one in problems)
    parts = ("decoded", options.split, step, *_file_parts(options, how), *some)
    _say_written(write(options.output_dir / "eval" / file_name(parts), content, table))


def compare(options: argparse.Namespace) -> None:
    """Evaluate the problems that the first run shares with each other run; print and write one table of differences."""
    from rich.console import Console

    from t2t_mm import run_directory
    from t2t_mm.evaluation.compare_runs import differences
    from t2t_mm.evaluation.score_report import difference_json, differences_table, write

    how = decode_options(options)
    first, *others = (str(path) for path in options.compare)
    learnt = {name: tuple(run_directory.load(Path(name)).problems) for name in (first, *others)}
    shared = {name: [one for one in learnt[first] if one in learnt[name]] for name in others}
    if not any(shared.values()):
        raise UserError(f"{first} shares no problem with {', '.join(others)}: it learnt {', '.join(learnt[first])}.")
    wanted = matching(options.problems, dict.fromkeys(one for names in shared.values() for one in names))

    scores: dict[str, dict[str, Scores]] = {}
    steps: dict[str, str] = {}
    for name in dict.fromkeys((first, *(name for name in others if set(wanted) & set(shared[name])))):
        run = _open(Path(name), None)
        steps[name] = _step(run)
        problems = _problems(run, [one for one in wanted if one in learnt[name]], options)
        scores[name] = {one.problem: one for one in _scores(run, problems, options, how)}
    by_run: dict[str, list[Difference]] = {
        name: [
            difference
            for one in shared[name]
            if one in scores[first] and one in scores[name]
            for difference in differences(scores[first][one], scores[name][one])
        ]
        for name in dict.fromkeys(others)
        if name in scores
    }
    short = labels(steps)
    steps_text = ", ".join(f"{short[name]} at step {step}" for name, step in steps.items())
    title = f"{short[first]} minus others: {_split(options)} ({steps_text})"
    rows = {short[name]: some for name, some in by_run.items()}
    table = differences_table(title, short[first], rows, search_text(how))
    table.show(Console())
    content = _settings_json(options, how) | {
        "runs": steps,
        "first": first,
        "others": {name: _by_problem(some, difference_json) for name, some in by_run.items()},
    }
    parts = (
        "compared",
        options.split,
        steps[first],
        *_file_parts(options, how),
        *(Path(name).resolve().name for name in by_run),
    )
    _say_written(write(Path(first) / "eval" / file_name(parts), content, table))


def matching(names: str, problems: Iterable[str]) -> list[str]:
    """Return those of `problems` that `names` names, in its order; all of them if it is empty.

    Names are joined by `-` or `,`; `*` matches any letters, and a name of RUNS stands for those of its problems that
    are in `problems`. Raises UnknownName for a name that matches none.
    """
    known = list(problems)
    matches = []
    for name in filter(None, re.split(r"[-,\s]+", names)):
        group = RUNS.get(name, (name,))
        some = [one for one in known if one in group or ("*" in name and fnmatchcase(one, name))]
        if not some:
            raise UnknownName("problem to evaluate", name, known)
        matches += some
    return list(dict.fromkeys(matches)) or known


def labels(runs: Iterable[str]) -> dict[str, str]:
    """Return the last name of each path, or the paths as they are if two last names are equal."""
    last = {run: Path(run).resolve().name for run in runs}
    return last if len(set(last.values())) == len(last) else {run: run for run in last}


def file_name(parts: Iterable[str]) -> str:
    """Return `parts` joined; a name that is too long for a file system is cut and ends in its checksum."""
    name = "-".join(parts)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{zlib.crc32(name.encode()):08x}"


def search_text(how: DecodeOptions) -> str:
    """Return how outputs were decoded, for a reader."""
    return "greedy search" if how.beam_size == 1 else f"beam search of {how.beam_size} with alpha {how.alpha:g}"


def _open(output_dir: Path, checkpoint: Path | None) -> "TrainedRun":
    from t2t_mm.run_tools.trained_run import open_run

    run = open_run(output_dir, checkpoint)
    _say(f"evaluating {run.checkpoint}")
    return run


def _problems(run: "TrainedRun", names: Sequence[str], options: argparse.Namespace) -> list["GeneratedProblem"]:
    """Return the records of the problems that have the requested split; print which have not."""
    from t2t_mm.run_tools.trained_run import ready_problem
    from t2t_mm.train.memory.max_positions import check_positions

    problems = [ready_problem(run, name, options.data_dir) for name in names]
    having = [one for one in problems if options.split in one.manifest.splits]
    if not having:
        raise UserError(f"There is no {options.split} set of {', '.join(names)} in {options.data_dir}.")
    for one in having:
        check_positions(one, run.decoder.net.longest, run.decoder.hparams, [options.split])
    if left := [one.name for one in problems if one not in having]:
        _say(f"no {options.split} set of {', '.join(left)}; left out")
    return having


def _scores(
    run: "TrainedRun", problems: Sequence["GeneratedProblem"], options: argparse.Namespace, how: DecodeOptions
) -> list["Scores"]:
    from t2t_mm.evaluation.batch_evaluator import BatchEvaluator
    from t2t_mm.evaluation.score import score
    from t2t_mm.evaluation.score_report import scores_line

    decoder = run.decoder
    evaluator = BatchEvaluator(decoder.net, decoder.codecs, decoder.hparams)
    scores = []
    for one in problems:
        report = partial(_progress, one.name)
        scores.append(score(decoder, evaluator, one, options.split, how, examples=options.eval_examples, report=report))
        _say(scores_line(scores[-1]))
    return scores


def _progress(problem: str, done: int, of: int) -> None:
    if done < of:
        _say(f"{problem}: {done:,} of {of:,} decoded")


def _step(run: "TrainedRun") -> str:
    return run.checkpoint.stem.removeprefix("model.ckpt-")


def _split(options: argparse.Namespace) -> str:
    most = f", at most {options.eval_examples:,} examples of each" if options.eval_examples >= 0 else ""
    return f"{options.split} sets{most}"


def _file_parts(options: argparse.Namespace, how: DecodeOptions) -> list[str]:
    """Return the parts of a file's name that tell one evaluation of a checkpoint from another."""
    beam = f"beam{how.beam_size}" if how.beam_size == 1 else f"beam{how.beam_size}-alpha{how.alpha:g}"
    return [beam, *([f"of{options.eval_examples}"] if options.eval_examples >= 0 else [])]


def _settings_json(options: argparse.Namespace, how: DecodeOptions) -> dict[str, Any]:
    return {"split": options.split, "eval_examples": options.eval_examples, "decoding": asdict(how)}


def _by_problem(differences: Sequence["Difference"], as_json: Any) -> Mapping[str, Any]:
    problems: dict[str, dict[str, Any]] = {}
    for one in differences:
        problems.setdefault(one.problem, {})[one.figure.name] = as_json(one)
    return problems


def _say_written(paths: Sequence[Path]) -> None:
    _say(f"written: {', '.join(map(str, paths))}")


def _say(line: str) -> None:
    print(f"{PROGRAM}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
