"""t2t-mm-surgery: a new run made of a trained one, which stays as it is.

`add` gives it problems more, `drop` takes some away, `extract` keeps one alone, without what that does not read and the
experts that it does not choose. The new run decodes, is evaluated and trains on like any other.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from t2t_mm.bin.command import hushed, run_command
from t2t_mm.bin.evaluator import decoded_by
from t2t_mm.bin.flags import SURGEON
from t2t_mm.bin.options import surgeon_options
from t2t_mm.decoding.answers import DecodeOptions

if TYPE_CHECKING:
    from t2t_mm.data.input.batches import Batches
    from t2t_mm.data.input.generated_problem import GeneratedProblem
    from t2t_mm.run_directory import RunRecord
    from t2t_mm.run_tools.surgery.operations import Trained
    from t2t_mm.run_tools.trained_run import TrainedRun


@run_command(SURGEON)
def main(argv: Sequence[str]) -> None:
    """Operate, write, and say what was kept, dropped and new."""
    options = surgeon_options(argv)
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
    said = (SURGEON, *argv)
    match options.operation:
        case "add":
            add_problems(run, options, said)
        case "extract":
            extract_problem(run, options, said)
        case _:
            finish(run, drop(run, options.problems), options, said)


def add_problems(run: "Trained", options: argparse.Namespace, said: Sequence[str]) -> None:
    """Make the data of the new problems where it is missing, and write the run with them."""
    from t2t_mm.run_tools.surgery.operations import add, check_new
    from t2t_mm.runs import check_learnable, make_data

    check_new(run, options.problems)
    check_learnable(options.problems, run.config.hparams)
    new = make_data(options.problems, options.data_dir, options.tmp_dir, options.generate_data, _say)
    finish(run, add(run, new), options, said, new=new)


def extract_problem(run: "Trained", options: argparse.Namespace, said: Sequence[str]) -> None:
    """Count how the problem's experts are chosen, write the run of it alone, and judge both."""
    from rich.console import Console

    from t2t_mm.run_tools.surgery.experts import pruned
    from t2t_mm.run_tools.surgery.operate import check_changes
    from t2t_mm.run_tools.surgery.operations import check_learnt, extract
    from t2t_mm.run_tools.surgery.report import experts_table
    from t2t_mm.run_tools.trained_run import open_run, ready_problem
    from t2t_mm.train.summaries.activations import ActivationReader

    [name] = options.problems
    check_learnt(run, [name])
    whole = open_run(run.folder, run.checkpoint)
    ready, net = ready_problem(whole, name, options.data_dir), whole.decoder.net
    check_changes(run, name, options.hparams, net)
    experts: Mapping[str, Any] = {}
    if not options.keep_experts:
        batches, count = _counted(ready, whole, options.count_on), options.count_batches
        looked_at = min(count, len(batches))
        choices = ActivationReader(net, whole.decoder.hparams).choices(
            ready, (batches.batch(i) for i in range(looked_at))
        )
        experts = pruned(net, choices, options.experts_below)
        if choices:
            where = f"what {name} chooses in {looked_at:,} of {len(batches):,} batches of its {options.count_on} set"
            experts_table(choices, experts, where).show(Console())
            print()
    finish(run, extract(run, net, ready, experts), options, said, experts=experts)
    if options.eval_examples:
        judge_both(whole, ready, options)


def finish(
    run: "Trained",
    config: "RunRecord",
    options: argparse.Namespace,
    said: Sequence[str],
    *,
    new: Mapping[str, "GeneratedProblem"] | None = None,
    experts: Mapping[str, Any] | None = None,
) -> None:
    """Write the new run, and say what became of the old one's parts and files."""
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
        command_line=tuple(said),
    )
    operated = operate(run, config, options.hparams, experts, new)
    written = write(run, operated, options.output_dir, options.data_dir)
    title = f"{options.operation} {', '.join(options.problems)}: {options.output_dir}, made of {run.checkpoint}"
    parts_table(title, run.arrays, operated.fitted).show(Console())
    print()
    sizes_table(run.checkpoint, written, {*run.config.files, *config.files}).show(Console())
    for note in operated.notes:
        _say(note)
    _say(f"written: {written}; t2t-mm-trainer --output_dir={options.output_dir} trains on from step {run.step:,}")


def judge_both(whole: "TrainedRun", ready: "GeneratedProblem", options: argparse.Namespace) -> None:
    """The problem on its dev set, by what both runs make of it; printed, and written into the new run."""
    from rich.console import Console

    from t2t_mm.evaluation.batch_evaluator import BatchEvaluator
    from t2t_mm.evaluation.compare_runs import differences
    from t2t_mm.evaluation.score import score
    from t2t_mm.evaluation.score_report import difference_json, differences_table, write
    from t2t_mm.problem import DEV
    from t2t_mm.run_tools.trained_run import open_run

    how = DecodeOptions(
        beam_size=options.beam_size,
        alpha=options.alpha,
        extra_length=options.decode_extra_length,
        batch_size=options.decode_batch_size,
    )
    both = []
    for run in (open_run(options.output_dir), whole):
        decoder = run.decoder
        judge = BatchEvaluator(decoder.net, decoder.codecs, decoder.hparams)
        both.append(score(decoder, judge, ready, DEV, how, examples=options.eval_examples))
    found = differences(both[0], both[1])
    label = options.source.resolve().name
    title = f"{ready.name} alone minus {label}: dev set"
    table = differences_table(title, "alone", {label: found}, decoded_by(how))
    print()
    table.show(Console())
    content = {
        "of": str(whole.checkpoint),
        "decoding": asdict(how),
        "figures": {one.figure.name: difference_json(one) for one in found},
    }
    for path in write(options.output_dir / "eval" / f"extracted-{ready.name}", content, table):
        _say(f"written: {path}")


def _counted(ready: "GeneratedProblem", run: "TrainedRun", split: str) -> "Batches":
    """Where choices are counted: training batches as training has them, or the dev set."""
    from t2t_mm.data.input.batches import Batches
    from t2t_mm.problem import TRAIN

    return Batches(ready, split, run.decoder.hparams, run.config.run_config.random_seed or 0, training=split == TRAIN)


def _say(line: str) -> None:
    print(f"{SURGEON}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
