"""t2t-mm-eval: how good a trained model is at each of its problems, by what it decodes; or one run minus others.

Dev (or test) sets are read from the records of --data_dir. One table is printed, and written as JSON and Markdown into
`eval/` of the run (of the first of several).
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

from t2t_mm.bin.command import hushed, run_command
from t2t_mm.bin.flags import EVALUATOR
from t2t_mm.bin.options import evaluator_options
from t2t_mm.bin.problem_names import RUNS
from t2t_mm.decoding.answers import DecodeOptions
from t2t_mm.errors import UnknownName, UserError

if TYPE_CHECKING:
    from t2t_mm.data.input.generated_problem import GeneratedProblem
    from t2t_mm.evaluation.compare_runs import Difference
    from t2t_mm.evaluation.score import Scores
    from t2t_mm.run_tools.trained_run import TrainedRun

LONGEST = 100  # letters of a file's name, its suffix apart


@run_command(EVALUATOR)
def main(argv: Sequence[str]) -> None:
    """Evaluate a run, or compare several."""
    options = evaluator_options(argv)
    with hushed():
        from t2t_mm.run_tools import trained_run  # noqa: F401  brings Keras and its backend, which --help can do without

    if options.compare:
        compare(options)
    else:
        evaluate(options)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate each problem of one run; print and write one table."""
    from rich.console import Console

    from t2t_mm import run_directory
    from t2t_mm.evaluation.score_report import scores_json, scores_table, write

    how = _how(options)
    names = named(options.problems, run_directory.load(options.output_dir).problems)
    run = _open(options.output_dir, options.checkpoint_path)
    ready = _problems(run, names, options)
    scores = _scores(run, ready, options, how)
    step = _step(run)
    title = f"{options.output_dir.resolve().name} at step {step}: {_split(options)}"
    table = scores_table(title, scores, decoded_by(how))
    table.show(Console())
    content = _made_from(options, how) | {
        "checkpoint": run.checkpoint.name,
        "problems": {one.problem: scores_json(one) for one in scores},
    }
    some = () if len(ready) == len(run.config.problems) else tuple(one.name for one in ready)
    parts = ("decoded", options.split, step, *_settings(options, how), *some)
    _report(write(options.output_dir / "eval" / file_name(parts), content, table))


def compare(options: argparse.Namespace) -> None:
    """Evaluate the problems that the first run shares with others by both; print and write one table of differences."""
    from rich.console import Console

    from t2t_mm import run_directory
    from t2t_mm.evaluation.compare_runs import differences
    from t2t_mm.evaluation.score_report import difference_json, differences_table, write

    how = _how(options)
    first, *others = (str(path) for path in options.compare)
    learnt = {name: tuple(run_directory.load(Path(name)).problems) for name in (first, *others)}
    shared = {name: [one for one in learnt[first] if one in learnt[name]] for name in others}
    if not any(shared.values()):
        raise UserError(f"{first} shares no problem with {', '.join(others)}: it learnt {', '.join(learnt[first])}.")
    wanted = named(options.problems, dict.fromkeys(one for found in shared.values() for one in found))

    judged: dict[str, dict[str, Scores]] = {}
    steps: dict[str, str] = {}
    for name in dict.fromkeys((first, *(name for name in others if set(wanted) & set(shared[name])))):
        run = _open(Path(name), None)
        steps[name] = _step(run)
        ready = _problems(run, [one for one in wanted if one in learnt[name]], options)
        judged[name] = {scores.problem: scores for scores in _scores(run, ready, options, how)}
    found: dict[str, list[Difference]] = {
        name: [
            difference
            for one in shared[name]
            if one in judged[first] and one in judged[name]
            for difference in differences(judged[first][one], judged[name][one])
        ]
        for name in dict.fromkeys(others)
        if name in judged
    }
    short = labels(steps)
    at = ", ".join(f"{short[name]} at step {step}" for name, step in steps.items())
    title = f"{short[first]} minus others: {_split(options)} ({at})"
    rows = {short[name]: found[name] for name in found}
    table = differences_table(title, short[first], rows, decoded_by(how))
    table.show(Console())
    content = _made_from(options, how) | {
        "runs": steps,
        "first": first,
        "others": {name: _by_problem(found[name], difference_json) for name in found},
    }
    parts = (
        "compared",
        options.split,
        steps[first],
        *_settings(options, how),
        *(Path(name).resolve().name for name in found),
    )
    _report(write(Path(first) / "eval" / file_name(parts), content, table))


def named(asked: str, learnt: Iterable[str]) -> list[str]:
    """Those of the problems `learnt` that `asked` names, in its order; all of them where it is empty.

    Names are joined by `-` or `,`; `*` stands for any letters, and a name of RUNS for those of its problems that were
    learnt. Raises UnknownName for what names none of them.
    """
    known = list(learnt)
    names = []
    for name in filter(None, re.split(r"[-,\s]+", asked)):
        wanted = RUNS.get(name, (name,))
        found = [one for one in known if one in wanted or ("*" in name and fnmatchcase(one, name))]
        if not found:
            raise UnknownName("problem to judge", name, known)
        names += found
    return list(dict.fromkeys(names)) or known


def labels(runs: Iterable[str]) -> dict[str, str]:
    """The last name of each path, or the paths as they are where two end alike."""
    last = {run: Path(run).resolve().name for run in runs}
    return last if len(set(last.values())) == len(last) else {run: run for run in last}


def file_name(parts: Iterable[str]) -> str:
    """`parts` joined, cut where file systems would."""
    name = "-".join(parts)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{zlib.crc32(name.encode()):08x}"


def decoded_by(how: DecodeOptions) -> str:
    """How outputs were decoded, for a reader."""
    return "greedy search" if how.beam_size == 1 else f"beam search of {how.beam_size} with alpha {how.alpha:g}"


def _how(options: argparse.Namespace) -> DecodeOptions:
    return DecodeOptions(
        beam_size=options.beam_size,
        alpha=options.alpha,
        extra_length=options.decode_extra_length,
        batch_size=options.decode_batch_size,
    )


def _open(output_dir: Path, checkpoint: Path | None) -> "TrainedRun":
    from t2t_mm.run_tools.trained_run import open_run

    run = open_run(output_dir, checkpoint)
    _say(f"judging {run.checkpoint}")
    return run


def _problems(run: "TrainedRun", names: Sequence[str], options: argparse.Namespace) -> list["GeneratedProblem"]:
    """The records of the problems that have the split asked for; says which have not."""
    from t2t_mm.run_tools.trained_run import ready_problem
    from t2t_mm.train.memory.max_positions import check_positions

    ready = [ready_problem(run, name, options.data_dir) for name in names]
    there = [one for one in ready if options.split in one.manifest.splits]
    if not there:
        raise UserError(f"--split={options.split}: there is none of {', '.join(names)} in {options.data_dir}.")
    for one in there:
        check_positions(one, run.decoder.net.longest, run.decoder.hparams, [options.split])
    if left := [one.name for one in ready if one not in there]:
        _say(f"no {options.split} set of {', '.join(left)}; left out")
    return there


def _scores(
    run: "TrainedRun", ready: Sequence["GeneratedProblem"], options: argparse.Namespace, how: DecodeOptions
) -> list["Scores"]:
    from t2t_mm.evaluation.batch_evaluator import BatchEvaluator
    from t2t_mm.evaluation.score import score
    from t2t_mm.evaluation.score_report import scores_line

    decoder = run.decoder
    judge = BatchEvaluator(decoder.net, decoder.codecs, decoder.hparams)
    found = []
    for one in ready:
        progress = partial(_progress, one.name)
        found.append(score(decoder, judge, one, options.split, how, examples=options.eval_examples, report=progress))
        _say(scores_line(found[-1]))
    return found


def _progress(problem: str, done: int, of: int) -> None:
    if done < of:
        _say(f"{problem}: {done:,} of {of:,} decoded")


def _step(run: "TrainedRun") -> str:
    return run.checkpoint.stem.removeprefix("model.ckpt-")


def _split(options: argparse.Namespace) -> str:
    some = f", {options.eval_examples:,} examples of each at most" if options.eval_examples >= 0 else ""
    return f"{options.split} sets{some}"


def _settings(options: argparse.Namespace, how: DecodeOptions) -> list[str]:
    """What tells the files of one evaluation of a checkpoint from those of another."""
    beam = f"beam{how.beam_size}" if how.beam_size == 1 else f"beam{how.beam_size}-alpha{how.alpha:g}"
    return [beam, *([f"of{options.eval_examples}"] if options.eval_examples >= 0 else [])]


def _made_from(options: argparse.Namespace, how: DecodeOptions) -> dict[str, Any]:
    return {"split": options.split, "eval_examples": options.eval_examples, "decoding": asdict(how)}


def _by_problem(found: Sequence["Difference"], as_json: Any) -> Mapping[str, Any]:
    problems: dict[str, dict[str, Any]] = {}
    for one in found:
        problems.setdefault(one.problem, {})[one.figure.name] = as_json(one)
    return problems


def _report(paths: Sequence[Path]) -> None:
    _say(f"written: {', '.join(map(str, paths))}")


def _say(line: str) -> None:
    print(f"{EVALUATOR}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
