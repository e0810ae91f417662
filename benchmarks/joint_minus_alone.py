"""What training together does to one problem: a joint run's figures minus those of a run of that problem alone.

    python benchmarks/joint_minus_alone.py --problem=parsing_wsj --joint=joint --alone=alone --data_dir=data

Both runs are judged on the problem's whole dev set, with the right past given, by their newest checkpoints; the
intervals enclose the difference with 95 % confidence (paired bootstrap over examples). Below zero is better for losses,
above zero for accuracies.
"""

import argparse
from pathlib import Path

import numpy as np

from t2t_mm import runs
from t2t_mm.data.batches import Batches
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.problem import DEV
from t2t_mm.train.baseline import interval
from t2t_mm.train.evaluate import sums_by_example


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", required=True)
    for name in ("joint", "alone"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="a run directory")
    parser.add_argument("--data_dir", type=Path, required=True, help="the records that both were trained on")
    options = parser.parse_args()

    found = {name: judged(getattr(options, name), options.problem, options.data_dir) for name in ("joint", "alone")}
    print(f"{options.problem}: {len(next(iter(found['joint'].values()))):,} dev examples")
    for metric, joint_NK in found["joint"].items():
        alone_NK = found["alone"][metric]
        sign = -1 if metric == "neg_log_perplexity" else 1
        low, high = interval(sign * (joint_NK[:, 0] - alone_NK[:, 0]), joint_NK[:, 1], seed=0)
        joint, alone = (sign * METRICS[metric].finish(sums_NK.sum(axis=0)) for sums_NK in (joint_NK, alone_NK))
        name = metric.removeprefix("neg_")
        print(
            f"  {name:22} joint {joint:.4f}  alone {alone:.4f}  "
            f"joint - alone {joint - alone:+.4f} ({low:+.4f} to {high:+.4f})"
        )


def judged(output_dir: Path, problem: str, data_dir: Path) -> dict[str, np.ndarray]:
    """What each metric of `problem` sums up for every dev example, by the run in `output_dir`."""
    estimator = runs.run(data_dir=data_dir, tmp_dir=Path(), output_dir=output_dir).estimator
    ready = estimator.problems[problem]
    print(f"{output_dir}: step {estimator.step:,}, of which {estimator.positions[problem]:,} on {problem}")
    dev = Batches(ready, DEV, estimator.hparams.data, estimator.seed, training=False)
    return sums_by_example(estimator.steps, dev, ["neg_log_perplexity", *ready.problem.metrics])


if __name__ == "__main__":
    main()
