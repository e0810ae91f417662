"""Measure what a translation problem reaches in a given training time: losses by time, then BLEU of greedy output.

    python benchmarks/translation_quality.py --tmp_dir=corpora --work_dir=work --minutes=20

It prints, at each of `--at` minutes of training (evaluations not counted) and at its end, the loss on the dev set in
nats per target character, where the end mark of a sentence counts as a character; then the corpus BLEU of greedy
decoding (sacrebleu, 13a), throughput, the rate of a plain product and the peak memory of the process.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sacrebleu
from clock import gemm_rate

from t2t_mm.cores import share_cores
from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.input.generated_problem import GeneratedProblem, open_problem
from t2t_mm.decoding.answers import Decoded
from t2t_mm.problem import DEV
from t2t_mm.registry import HPARAM_SETS, PROBLEMS
from t2t_mm.run_config import RunConfig
from t2t_mm.train.trainer import Trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tmp_dir", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--work_dir", type=Path, required=True, help="records and the run are written here")
    parser.add_argument("--problem", default="translate_ende_multi30k")
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--train_steps", type=int, default=10**9, help="step at which the learning rate schedule ends")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--at", default="5,10,15,20", help="minutes at which the loss is measured")
    parser.add_argument("--random_seed", type=int, default=0)
    options = parser.parse_args()

    hparams = HPARAM_SETS[options.hparams_set]().override(options.hparams)
    share_cores(hparams.training.batches_at_once, print)
    problem = PROBLEMS[options.problem]
    generate({options.problem: problem}, options.work_dir / "data", options.tmp_dir)
    ready = open_problem(options.problem, problem, options.work_dir / "data")
    dev = list(problem.source.examples(DEV, options.tmp_dir))
    characters = sum(len(example.values["targets"]) + 1 for example in dev)
    trainer = Trainer(
        {options.problem: ready},
        hparams,
        RunConfig(
            output_dir=options.work_dir / f"run-{options.random_seed}",
            random_seed=options.random_seed,
            train_steps=options.train_steps,
            save_checkpoints_secs=0,
            keep_checkpoint_max=1,
        ),
    )
    parameters = sum(int(np.prod(weight.shape)) for weight in trainer.net.trainable_variables)
    print(
        f"{options.hparams_set} {options.hparams}: {parameters:,} parameters; {characters:,} dev characters", flush=True
    )

    marks = [float(mark) for mark in options.at.split(",") if float(mark) <= options.minutes] or [options.minutes]
    first, spent, rate = trainer.step, 0.0, 1.0
    for mark in sorted({*marks, options.minutes}):
        while (left := mark * 60 - spent) > 1 / rate and trainer.step < options.train_steps:
            until = min(trainer.step + max(1, round(left * rate)), options.train_steps)
            spent += timed(lambda until=until: trainer.train(until))
            rate = (trainer.step - first) / spent
        if mark in marks and mark < options.minutes:
            show_loss(trainer, ready, characters, spent)
    show_loss(trainer, ready, characters, spent)
    batches = (trainer.step - first) * hparams.training.accumulate_batches
    seen = batches / len(trainer.batches[options.problem]) * trainer.batches[options.problem].tokens
    print(f"{seen / max(spent, 1e-9):,.0f} target tokens/s over {spent:.0f} s")
    started = time.perf_counter()
    answers = trainer.predict(options.problem, [example.values["inputs"] for example in dev])
    outputs = [answer.text if isinstance(answer, Decoded) else "" for answer in answers]
    bleu = sacrebleu.corpus_bleu(outputs, [[example.values["targets"] for example in dev]])
    print(f"BLEU {bleu.score:.2f} ({time.perf_counter() - started:.0f} s to decode {len(dev)} sentences)")
    for example, output in list(zip(dev, outputs, strict=True))[:3]:
        print(f"  {example.values['inputs']}\n    -> {output}")
    print(f"a plain product of two matrices: {gemm_rate():.0f} GFLOP/s, an operation on as many cores as in training")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that `call` takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def show_loss(trainer: Trainer, ready: GeneratedProblem, characters: int, spent: float) -> None:
    """Print the dev loss after `spent` seconds of training."""
    (result,) = trainer.evaluate(permuted=False)
    tokens = ready.manifest.splits[DEV].tokens["targets"]
    print(
        f"{spent / 60:5.1f} min  step {trainer.step:6,}  {result.standing.nats * tokens / characters:.4f} "
        f"nats per character  token accuracy {result.metrics['accuracy']:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
