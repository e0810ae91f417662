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
    from t2t_mm.run_tools.average_checkpoints import (  # brings NumPy, which --help can do without
        average,
        check_output_path,
        choose_checkpoints,
    )

    path = check_output_path(options.output_dir, options.output_path)
    paths = choose_checkpoints(options.output_dir, options.checkpoints, options.num_last_checkpoints)
    if not options.checkpoints and len(paths) < options.num_last_checkpoints:
        print(
            f"{options.output_dir} holds {len(paths)} checkpoints, not {options.num_last_checkpoints}: all are taken."
        )
    average(paths, path)
    print(f"{path} holds the mean of {', '.join(one.name for one in paths)}.")
    print(f"Decode with it: t2t-mm-decoder --output_dir={options.output_dir} --checkpoint_path={path}")


if __name__ == "__main__":
    sys.exit(main())
