"""t2t-mm-surgery: make a new run from a trained one, which is not changed.

`add` adds problems, `drop` removes some. `extract` keeps a single problem: the parts of the model that it does not use
are removed, and so are the experts (mixture of experts) that its inputs are not routed to. The new run can be decoded
with, evaluated and trained further like any other.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from t2t_mm.bin.command import Parser, hushed, run_command
from t2t_mm.bin.common_flags import (
    add_boolean,
    add_data_dir,
    add_decoding,
    add_number,
    add_path,
    add_problems,
    add_text,
    add_tmp_dir,
    decode_options,
    expanded,
    finish,
    home,
    missing_run,
    parse,
    set_default,
)
from t2t_mm.bin.evaluator import search_text
from t2t_mm.bin.problem_names import problem_names
from t2t_mm.errors import UserError

if TYPE_CHECKING:
    from t2t_mm.data.input.batches import Batches
    from t2t_mm.data.input.generated_problem import GeneratedProblem
    from t2t_mm.run_directory import RunRecord
    from t2t_mm.run_tools.surgery.operations import Trained
    from t2t_mm.run_tools.trained_run import TrainedRun


PROGRAM = "t2t-mm-surgery"
OPERATIONS = ("add", "drop", "extract")
PRUNING = {"experts_below": 0.0, "count_on": "train", "count_batches": 200}  # flags of `extract`, with their defaults


def parser() -> Parser:
    """Return the parser of t2t-mm-surgery."""
    parser = Parser(
        PROGRAM,
        "Make a new run from a trained one: add problems, drop problems, or extract a single problem.",
        "t2t-mm-surgery extract --from=RUN --problems=parsing_wsj --output_dir=NEW",
    )
    add = parser.group("what to do")
    operation = "first word: add --problems to the run, drop them from it, or extract the one that they name"
    add("operation", metavar="|".join(OPERATIONS), nargs="?", choices=OPERATIONS, help=operation)
    trained = "directory of the trained run, which is not changed; required"
    add("--from", dest="source", metavar="RUN", type=expanded, help=trained)
    add_path(add, "--output_dir", "directory of the new run, missing or empty; required")
    add_problems(add, "required")
    add_path(add, "--checkpoint_path", "checkpoint of the trained run to start from; default: its newest one")
    changes = "training hparams that the new run changes, such as freeze=body; default: none"
    add_text(add, "--hparams", "N=V,...", changes, default="")
    add = parser.group("data folders, for add and extract")
    add_data_dir(add)
    add_tmp_dir(add)
    download = "make missing data of a new problem even if its corpus must be downloaded; default false"
    add_boolean(add, "--generate_data", help=download)
    add = parser.group("which experts to keep (mixture of experts), for extract")
    below = "remove experts that get less than this share, 0 to 1, of the problem's routing; default 0: unused ones"
    add("--experts_below", metavar="X", type=float, help=below)
    add_boolean(add, "--keep_experts", help="keep all experts; default false")
    counted = "split on which the routing is counted; default train"
    add("--count_on", choices=("train", "dev"), help=counted)
    add_number(add, "--count_batches", None, "batches in which the routing is counted; default 200", least=1)
    add = parser.group("evaluation on the dev set before and after, for extract")
    add_number(add, "--eval_examples", -1, "examples to evaluate, spread evenly over the dev set; -1: all, 0: none")
    add_decoding(add)
    return finish(parser)


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options. `problems` is a tuple of names; `data_dir` and the flags of PRUNING are set."""
    options = parse(parser(), argv, lambda options: options.source or options.output_dir)
    if options.operation is None:
        raise UserError(f"The operation is missing: {PROGRAM} {' or '.join(OPERATIONS)} ...")
    if options.source is None:
        raise missing_run("--from")
    if options.output_dir is None:
        raise UserError("--output_dir is missing: give a directory for the new run.")
    options.problems = problem_names(options.problems)
    if not options.problems:
        raise UserError(f"--problems is missing: name what to {options.operation}.")
    if options.operation == "extract" and len(options.problems) > 1:
        received = ", ".join(options.problems)
        raise UserError(f"extract keeps a single problem; received {received}. To keep several, drop the others.")
    for name, default in PRUNING.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        elif options.operation != "extract" or options.keep_experts:
            raise UserError(f"--{name} says which experts to remove: it is for extract without --keep_experts.")
    if not 0 <= options.experts_below <= 1:
        raise UserError(f"--experts_below is a share from 0 to 1; received {options.experts_below:g}.")
    if options.operation != "drop":
        set_default(options, PROGRAM, "data_dir", home() / "data")
    return options


@run_command(PROGRAM)
def main(argv: Sequence[str]) -> None:
    """Make the new run, write it, and print what was kept, dropped and added."""
    options = parse_options(argv)
    with hushed():
        from t2t_mm.run_tools.trained_run import (
            read_checkpoint,  # brings Keras and its backend, which --help can do without
        )

    from t2t_mm import run_directory
    from t2t_mm.run_tools.surgery.operate import check_target
    from t2t_mm.run_tools.surgery.operations import Trained, changed_training, drop

    check_target(options.output_dir)
    config = run_directory.load(options.source)
    changed_training(config.hparams, options.hparams)
    run = Trained(options.source, config, *read_checkpoint(options.source, options.checkpoint_path))
    command_line = (PROGRAM, *argv)
    match options.operation:
        case "add":
            extend_run(run, options, command_line)
        case "extract":
            extract_problem(run, options, command_line)
        case _:
            finish_run(run, drop(run, options.problems), options, command_line)


def extend_run(run: "Trained", options: argparse.Namespace, command_line: Sequence[str]) -> None:
    """Make missing data of the new problems, and write the run with them."""
    from t2t_mm.run_tools.surgery.operations import add, check_new
    from t2t_mm.runs import check_learnable, make_data

    check_new(run, options.problems)
    check_learnable(options.problems, run.config.hparams)
    new = make_data(options.problems, options.data_dir, options.tmp_dir, options.generate_data, _say)
    finish_run(run, add(run, new), options, command_line, new=new)


def extract_problem(run: "Trained", options: argparse.Namespace, command_line: Sequence[str]) -> None:
    """Count the problem's routing to experts, write the run of this problem alone, and evaluate both runs."""
    from rich.console import Console

    from t2t_mm.run_tools.surgery.experts import pruned
    from t2t_mm.run_tools.surgery.operate import check_changes
    from t2t_mm.run_tools.surgery.operations import check_learnt, extract
    from t2t_mm.run_tools.surgery.report import experts_table
    from t2t_mm.run_tools.trained_run import open_run, ready_problem
    from t2t_mm.train.summaries.activations import ActivationReader

    [name] = options.problems
    check_learnt(run, [name])
    trained = open_run(run.folder, run.checkpoint)
    problem, net = ready_problem(trained, name, options.data_dir), trained.decoder.net
    check_changes(run, name, options.hparams, net)
    experts: Mapping[str, Any] = {}
    if not options.keep_experts:
        batches = _batches(problem, trained, options.count_on)
        count = min(options.count_batches, len(batches))
        choices = ActivationReader(net, trained.decoder.hparams).choices(
            problem, (batches.batch(i) for i in range(count))
        )
        experts = pruned(net, choices, options.experts_below)
        if choices:
            where = f"routing of {name} in {count:,} of {len(batches):,} batches of its {options.count_on} set"
            experts_table(choices, experts, where).show(Console())
            print()
    finish_run(run, extract(run, net, problem, experts), options, command_line, experts=experts)
    if options.eval_examples:
        evaluate_both(trained, problem, options)


def finish_run(
    run: "Trained",
    config: "RunRecord",
    options: argparse.Namespace,
    command_line: Sequence[str],
    *,
    new: Mapping[str, "GeneratedProblem"] | None = None,
    experts: Mapping[str, Any] | None = None,
) -> None:
    """Write the new run, and print what became of the parts and files of the trained one."""
    from rich.console import Console

    from t2t_mm import plugins, run_directory
    from t2t_mm.models.ports import addresses
    from t2t_mm.run_tools.surgery.operate import operate, write
    from t2t_mm.run_tools.surgery.report import parts_table, sizes_table

    used = plugins.used(options.plugins, addresses(config.problems, config.hparams, config.run_config.hparams_set))
    config = replace(
        config,
        run_config=replace(config.run_config, train_steps=None, warm_start_from=None),
        plugins=used,
        versions=run_directory.versions(),
        command_line=tuple(command_line),
    )
    operated = operate(run, config, options.hparams, experts, new)
    written = write(run, operated, options.output_dir, options.data_dir)
    title = f"{options.operation} {', '.join(options.problems)}: {options.output_dir}, made of {run.checkpoint}"
    parts_table(title, run.arrays, operated.fitted).show(Console())
    print()
    sizes_table(run.checkpoint, written, {*run.config.files, *config.files}).show(Console())
    for note in operated.notes:
        _say(note)
    _say(f"written: {written}")
    _say(f"t2t-mm-trainer --output_dir={options.output_dir} continues training from step {run.step:,}")


def evaluate_both(trained: "TrainedRun", problem: "GeneratedProblem", options: argparse.Namespace) -> None:
    """Evaluate the problem's dev set by both runs; print the differences, and write them into the new run."""
    from rich.console import Console

    from t2t_mm.evaluation.batch_evaluator import BatchEvaluator
    from t2t_mm.evaluation.compare_runs import differences
    from t2t_mm.evaluation.score import score
    from t2t_mm.evaluation.score_report import difference_json, differences_table, write
    from t2t_mm.problem import DEV
    from t2t_mm.run_tools.trained_run import open_run

    how = decode_options(options)
    scores = []
    for run in (open_run(options.output_dir), trained):
        decoder = run.decoder
        evaluator = BatchEvaluator(decoder.net, decoder.codecs, decoder.hparams)
        scores.append(score(decoder, evaluator, problem, DEV, how, examples=options.eval_examples))
    figures = differences(scores[0], scores[1])
    label = options.source.resolve().name
    title = f"{problem.name} alone minus {label}: dev set"
    table = differences_table(title, "alone", {label: figures}, search_text(how))
    print()
    table.show(Console())
    content = {
        "of": str(trained.checkpoint),
        "decoding": asdict(how),
        "figures": {one.figure.name: difference_json(one) for one in figures},
    }
    for path in write(options.output_dir / "eval" / f"extracted-{problem.name}", content, table):
        _say(f"written: {path}")


def _batches(problem: "GeneratedProblem", run: "TrainedRun", split: str) -> "Batches":
    """Return the batches in which routing is counted: those of training, or those of the dev set."""
    from t2t_mm.data.input.batches import Batches
    from t2t_mm.problem import TRAIN

    seed = run.config.run_config.random_seed or 0
    return Batches(problem, split, run.decoder.hparams, seed, training=split == TRAIN)


def _say(line: str) -> None:
    print(f"{PROGRAM}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
