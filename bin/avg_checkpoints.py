"""t2t-mm-avg-checkpoints: a checkpoint whose weights are the mean of several checkpoints of a run."""

import sys
from collections.abc import Sequence

from t2t_mm.bin.command import run_command
from t2t_mm.bin.flags import AVERAGER
from t2t_mm.bin.options import averager_options


@run_command(AVERAGER)
def main(argv: Sequence[str]) -> None:
    """Average, write, and say how to use what was written."""
    options = averager_options(argv)
    from t2t_mm.train.averaging import average, chosen  # brings NumPy, which --help can do without

    paths = chosen(options.output_dir, options.checkpoints, options.num_last_checkpoints)
    average(paths, options.output_path)
    print(f"{options.output_path} holds the mean of {', '.join(path.name for path in paths)}.")
    print(f"Decode with it: t2t-mm-decoder --output_dir={options.output_dir} --checkpoint_path={options.output_path}")


if __name__ == "__main__":
    sys.exit(main())
