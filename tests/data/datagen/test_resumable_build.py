"""What a call leaves that was stopped, and what the next one makes of it."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

import t2t_mm
from t2t_mm.data.datagen.resumable_build import Stopped, sweep_finished, unfinished
from t2t_mm.data.input.shards import ShardWriter
from t2t_mm.errors import UserError

SHARDS = ("train-00000-of-00002.array_record", "train-00001-of-00002.array_record")


def finish(here, shard):
    writer = ShardWriter(here.records / shard, ("targets",), 0)
    writer.add("0", {"targets": b"x"}, {"targets": 1}, np.zeros(0, np.int64))
    writer.close().note(here.note(shard))


def stop(tmp_path, *shards, plan="a", how=KeyboardInterrupt):
    """A call that finishes some shards, begins another, and is interrupted."""
    with pytest.raises(how):
        with unfinished(tmp_path / "made", {"plan": plan}) as here:
            for shard in shards:
                finish(here, shard)
            (here.records / ".half.array_record.77").write_text("half")
            raise how


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with unfinished(tmp_path / "made", {}) as here:
        assert not here.went_on
        (here.records / "file").write_text("x")
        assert not (tmp_path / "made").exists()
    assert os.listdir(tmp_path) == ["made"] and os.listdir(tmp_path / "made") == ["file"]


def test_after_a_failure_nothing_stays(tmp_path):
    stop(tmp_path, SHARDS[0], how=KeyError)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("how", [KeyboardInterrupt, SystemExit, BrokenProcessPool, Stopped])
def test_what_was_finished_before_an_interruption_stays_and_what_was_not_goes(tmp_path, how):
    stop(tmp_path, SHARDS[0], how=how)
    with unfinished(tmp_path / "made", {"plan": "a"}) as here:
        assert here.went_on
        assert here.written(SHARDS[0]).examples == 1 and here.written(SHARDS[1]) is None
        assert sorted(os.listdir(here.records)) == [SHARDS[0], f"{SHARDS[0]}.lengths.npy"]
        finish(here, SHARDS[1])
    assert len(os.listdir(tmp_path / "made")) == 4


def test_under_another_plan_all_is_begun_anew(tmp_path):
    stop(tmp_path, SHARDS[0])
    with unfinished(tmp_path / "made", {"plan": "b"}) as here:
        assert not here.went_on and here.written(SHARDS[0]) is None and os.listdir(here.records) == []


@pytest.mark.parametrize("gone", ["records/{}", "records/{}.lengths.npy", "{}.done"])
def test_a_shard_that_lacks_a_part_is_made_again(tmp_path, gone):
    stop(tmp_path, *SHARDS)
    (tmp_path / "made.partial" / gone.format(SHARDS[1])).unlink()
    with unfinished(tmp_path / "made", {"plan": "a"}) as here:
        assert here.written(SHARDS[0]) is not None and here.written(SHARDS[1]) is None
        assert sorted(os.listdir(here.records)) == [SHARDS[0], f"{SHARDS[0]}.lengths.npy"]


def test_two_calls_do_not_mix(tmp_path):
    with unfinished(tmp_path / "made", {}) as here:
        (here.records / "file").write_text("x")
        with pytest.raises(UserError, match="made is being made by another process"):
            with unfinished(tmp_path / "made", {}):
                pass
        sweep_finished(tmp_path / "made")  # which leaves alone what is at work
    assert os.listdir(tmp_path / "made") == ["file"]


def test_what_another_process_made_meanwhile_is_left_alone(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "file").touch()
    with pytest.raises(UserError, match="made was made by another process in the meantime"):
        with unfinished(tmp_path / "made", {}):
            pass
    assert os.listdir(tmp_path) == ["made"] and os.listdir(tmp_path / "made") == ["file"]


def test_what_is_left_of_a_call_that_was_killed_behind_its_last_act_is_swept(tmp_path):
    (tmp_path / "made.partial").mkdir()
    (tmp_path / "made.partial" / "plan.json").touch()
    sweep_finished(tmp_path / "made")
    sweep_finished(tmp_path / "made")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    # A limit on the size of files fails a write as a full disk does, in the C++ library too.
    script = f"""
        import os, resource, signal, sys
        from pathlib import Path
        import numpy as np
        from t2t_mm.data.input.shards import ShardWriter
        from t2t_mm.data.datagen.resumable_build import unfinished
        from t2t_mm.errors import UserError

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            with unfinished(Path({str(tmp_path)!r}) / "made", {{}}) as here:
                writer = ShardWriter(here.records / "train-00000-of-00001.array_record", ("targets",), 0)
                for i in range(200):
                    writer.add(str(i), {{"targets": os.urandom(5000)}}, {{"targets": 1}}, np.zeros(0, int))
                writer.close()
        except UserError as error:
            sys.exit(str(error))
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert "made can't be written" in done.stderr and "MiB are free there; nothing of it was kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
