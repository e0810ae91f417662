"""Compare parallel gradient accumulation with sequential accumulation and with one large batch.

    python benchmarks/parallel_microbatches.py --hparams_set=multimodel_tiny --rows=32 --parts=2

It trains on a synthetic text problem with full rows. The number of cores of an operation is fixed when TensorFlow
starts, so each variant is a process of its own; they take turns, one works while the others wait. It prints medians,
ratios within a turn, and the rate of a plain product in a process that gives all cores to an operation.
"""

import argparse
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import median

STEPS = 3  # steps of a turn
RATE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--rows", type=int, default=32, help="rows of a step")
    parser.add_argument("--length", type=int, default=32, help="ids in a source and in a target")
    parser.add_argument("--parts", type=int, default=2, help="micro-batches that the rows are split into")
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    parts = options.parts
    if options.rows % parts:
        parser.error(f"--rows={options.rows} cannot be split into {parts} equal batches.")
    variants = {
        "one batch": (1, 1),
        f"{parts} micro-batches in sequence": (parts, 1),
        f"{parts} micro-batches in parallel": (parts, parts),
    }

    from clock import gemm_rate, in_turns

    before = gemm_rate()
    with stepping(options, variants) as steppers:
        calls = {
            variant: lambda stepper=stepper: take_steps(stepper, options.rows) for variant, stepper in steppers.items()
        }
        in_turns(calls, 1)
        times = in_turns(calls, options.turns)
    gemm = (before + gemm_rate()) / 2
    first, tokens = times["one batch"], options.rows * options.length
    print(f"{options.hparams_set} {options.hparams}: {options.rows} x {options.length} target tokens a step; a plain ")
    print(f"product: {gemm:.0f} GFLOP/s\n\n{'':34}{'a step':>12}{'tokens/s':>12}{'times the first':>18}")
    for variant, taken in times.items():
        seconds, ratio = median(taken) / STEPS, median(b / a for a, b in zip(first, taken, strict=True))
        print(f"{variant:34}{seconds * 1e3:9.1f} ms{tokens / seconds:12,.0f}{ratio:18.2f}")


@contextmanager
def stepping(options: argparse.Namespace, variants: dict[str, tuple[int, int]]) -> Iterator[dict[str, Connection]]:
    """Yield a connection for each variant, to a process that takes steps when it is requested."""
    spawn = multiprocessing.get_context("spawn")
    here: dict[str, Connection] = {}
    processes = []
    try:
        for variant, (parts, at_once) in variants.items():
            here[variant], there = spawn.Pipe()
            processes.append(spawn.Process(target=serve, args=(there, vars(options), parts, at_once), daemon=True))
            processes[-1].start()
            there.close()  # otherwise `recv` would wait for a process that has ended
            take_steps(here[variant], options.rows)  # the first step is traced before the next process begins
        yield here
    finally:
        for process in processes:
            process.terminate()
            process.join()


def take_steps(stepper: Connection, rows: int) -> None:
    """Request some steps of this number of rows, and wait until they are done."""
    stepper.send(rows)
    stepper.recv()


def serve(there: Connection, options: dict[str, object], parts: int, at_once: int) -> None:
    """Take STEPS steps whenever a number of rows arrives."""
    from t2t_mm.cores import share_cores
    from t2t_mm.registry import HPARAM_SETS

    accumulation = f"accumulate_batches={parts},batches_at_once={at_once}"
    hparams = HPARAM_SETS[str(options["hparams_set"])]().override(str(options["hparams"])).override(accumulation)
    share_cores(at_once, print)

    from made_text import SPECS, made_batch, made_net

    from t2t_mm.train.optim.optimizer import Optimizer
    from t2t_mm.train.step.steps import Steps

    length, vocabulary = int(str(options["length"])), int(str(options["vocabulary"]))
    net = made_net(hparams, vocabulary)
    optimizer = Optimizer(net.trainable_variables, net.commands, hparams.training)
    steps = Steps(net, optimizer, {"text": SPECS}, hparams.training, seed=0)
    step = 0
    while True:
        rows = there.recv()
        for _ in range(STEPS):
            step += 1
            batches = [made_batch(rows // parts, length, vocabulary, seed) for seed in range(step, step + parts)]
            float(steps.train(batches, step, RATE, 1.0).nats)
        there.send(step)


if __name__ == "__main__":
    main()
