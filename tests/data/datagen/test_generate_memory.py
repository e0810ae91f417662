"""The memory for making records: ten times the corpus takes no more."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import t2t_mm

SCRIPT = """
    import resource, sys
    from pathlib import Path
    from t2t_mm.data.datagen.generate import generate
    from t2t_mm.data.features.text import Text
    from t2t_mm.data.vocabulary import Vocabulary
    from t2t_mm.problem import Example, Problem, Source

    class Endless(Source):
        def splits(self, tmp_dir):
            return ("train", "dev")

        def examples(self, split, tmp_dir):
            for number in range(COUNT if split == "train" else 10):
                line = f"a dog sees {number} cats and a cat sees {number} dogs by the river"
                yield Example(f"{split}/{number}", {"inputs": line, "targets": line[::-1]})

        def present(self, tmp_dir):
            return True

    class Dogs(Problem):
        source = Endless()
        inputs = targets = Text()

    COUNT = int(sys.argv[2])
    data = Path(sys.argv[1])
    Vocabulary.train(data / "vocab.subwords.model", ["a dog sees 1234567890 cats by the river"])
    generate({"dogs": Dogs}, data, data, report=lambda line: None)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_ten_times_the_records_take_no_more_memory(tmp_path):
    def mebibytes(records):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / str(records)), str(records)],
            env={**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)

    assert mebibytes(200_000) < 1.2 * mebibytes(20_000)
