"""Measure how fast records are generated, compared with a bare loop that reads the source and writes records.

    python benchmarks/datagen.py --problems=translate_ende_multi30k,image_cifar10 --tmp_dir=corpora --work_dir=work

The vocabularies are made first, untimed. The loop reads the training split once and writes each value unchanged, as
msgpack, into one ArrayRecord file, compressed as ArrayRecord does by default or as --loop_format says. t2t-mm-datagen,
in one process, counts the examples, turns them into ids or checks that they are complete, and writes records with their
index and checksums. It also writes the dev split, whose records are counted too. Both take turns; the medians are
printed. For synthetic problems, both times include generating the examples.
"""

import argparse
import shutil
from pathlib import Path
from statistics import median
from typing import Any

import msgpack
from clock import in_turns

from t2t_mm.bin.problem_names import problem_names
from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.audio_file import AudioClip
from t2t_mm.data.input.records import Manifest
from t2t_mm.problem import TRAIN, Problem
from t2t_mm.registry import PROBLEMS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="translate_north_south,image_shapes,speech_syllables")
    parser.add_argument("--tmp_dir", type=Path, default=Path("/tmp/t2t_datagen"))
    parser.add_argument("--work_dir", type=Path, required=True, help="records are written here")
    parser.add_argument("--max_cases", type=int, default=0, help="examples of each split at most; 0: all")
    parser.add_argument("--loop_format", default="group_size:1", help="ArrayRecord's options for the loop's file")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    options.work_dir.mkdir(parents=True, exist_ok=True)
    data_dir = options.work_dir / "data"
    print(f"{'problem':28}{'bare loop':>16}{'datagen':>16}{'ratio':>8}")
    for name in problem_names(options.problems):
        problem = PROBLEMS[name]

        def make(name: str = name, problem: type[Problem] = problem) -> None:
            shutil.rmtree(data_dir / name, ignore_errors=True)
            generate({name: problem}, data_dir, options.tmp_dir, max_cases=options.max_cases, report=lambda line: None)

        def copy(problem: type[Problem] = problem) -> int:
            path = options.work_dir / "bare.array_record"
            return bare_loop(problem, options.tmp_dir, path, options.max_cases, options.loop_format)

        make()
        made = sum(split.examples for split in Manifest.read(data_dir / name).splits.values())
        copied = copy()
        taken = {
            what: median(times) for what, times in in_turns({"loop": copy, "datagen": make}, options.turns).items()
        }
        rates = {"loop": copied / taken["loop"], "datagen": made / taken["datagen"]}
        ratio = rates["datagen"] / rates["loop"]
        print(f"{name:28}{rates['loop']:>12,.0f} r/s{rates['datagen']:>12,.0f} r/s{ratio:8.2f}", flush=True)


def bare_loop(problem: type[Problem], tmp_dir: Path, path: Path, most: int, form: str) -> int:
    """Copy the training examples of a problem's source into one file; return their number."""
    from array_record.python import array_record_module

    writer = array_record_module.ArrayRecordWriter(str(path), form)
    count = 0
    for example in problem.source.examples(TRAIN, tmp_dir):
        values = {name: plain(example.values[name]) for name in problem.features()}
        writer.write(msgpack.packb({"id": example.id, **values}))
        count += 1
        if count == most:
            break
    writer.close()
    return count


def plain(value: Any) -> Any:
    """Return a raw value as msgpack takes it."""
    return value.samples_NC.tobytes() if isinstance(value, AudioClip) else value


if __name__ == "__main__":
    main()
