import io
import json
import math
import subprocess
import sys

import pytest
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from t2t_mm.errors import UserError
from t2t_mm.train.logs.training_log import StepMetrics, TrainingLog
from t2t_mm.train.summaries.events import Summaries


class Later:
    """A loss that is still being computed; counts how often its value is read."""

    reads = 0

    def __init__(self, value):
        self.value = value

    def __float__(self):
        Later.reads += 1
        return self.value


def open_log(folder, *, terminal=False, out=None, **options):
    console = Console(file=out or io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    return TrainingLog(folder, ["first", "second"], options.pop("train_steps", 20), console=console, **options)


def take(log, step, problem, loss, *, seconds=0.5, waited=0.1, tokens=30, norm=1.0, overflow=()):
    log.step(step, [StepMetrics(problem, loss, tokens, norm, overflow)], seconds, waited, learning_rate=0.001 * step)


def lines(folder, kind):
    read = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in read if line["kind"] == kind]


def scalars(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_a_line_holds_the_means_of_the_steps_since_the_last_one(tmp_path):
    with open_log(tmp_path, every=4) as log:
        take(log, 1, "first", 8.0)
        take(log, 2, "first", 6.0)
        take(log, 3, "second", 3.0, seconds=1.0, waited=0.4)
        take(log, 4, "first", 5.0, seconds=1.0, waited=0.0, tokens=40)
    first, second = lines(tmp_path, "training")
    assert (first["step"], first["loss"], first["steps"]) == (1, {"first": 8.0}, {"first": 1})
    assert (second["step"], second["loss"]) == (4, {"first": 5.5, "second": 3.0})
    assert second["steps"] == {"first": 2, "second": 1}
    assert second["steps_per_second"] == pytest.approx(3 / 2.5)
    assert second["tokens_per_second"] == pytest.approx(100 / 2.5)
    assert second["waiting"] == pytest.approx(0.5 / 2.5)
    assert second["learning_rate"] == 0.004


def test_the_values_of_losses_are_read_once_and_only_when_a_line_is_due(tmp_path):
    Later.reads = 0
    with open_log(tmp_path, every=10) as log:
        take(log, 1, "first", Later(1.0))
        assert Later.reads == 1  # the first step shows that the run lives
        for step in range(2, 10):
            take(log, step, "first", Later(1.0))
        assert Later.reads == 1
        take(log, 10, "first", Later(1.0))
        assert Later.reads == 10
    assert Later.reads == 10


def test_norms_of_gradients_and_shares_of_the_steps_are_logged_by_problem(tmp_path):
    with open_log(tmp_path, every=4) as log:
        take(log, 1, "first", 8.0, norm=3.0)
        take(log, 2, "first", 6.0, norm=2.0)
        take(log, 3, "second", 3.0, norm=0.5)
        take(log, 4, "first", 5.0, norm=4.0)
        take(log, 5, "second", 5.0, norm=math.inf)
    assert lines(tmp_path, "training")[1]["gradient_norm"] == {"first": 3.0, "second": 0.5}
    read = scalars(tmp_path)
    assert read["training/gradient_norm/first"] == [(1, 3.0), (4, 3.0)]
    assert read["training/gradient_norm/second"] == [(4, 0.5)]  # what is not finite is no figure
    assert read["training/share/first"] == [(1, 1.0), (4, pytest.approx(2 / 3))]
    assert read["training/share/second"] == [(4, pytest.approx(1 / 3)), (5, 1.0)]


def test_choices_beyond_the_capacity_of_experts_are_logged_by_problem_and_printed(tmp_path):
    out = io.StringIO()
    with open_log(tmp_path, out=out, every=4) as log:
        take(log, 1, "first", 8.0, overflow=(0.02, 0.06))  # two layers of experts: 0.04
        take(log, 2, "first", 6.0, overflow=(0.0, 0.0))
        take(log, 3, "first", 5.0, overflow=(0.03, 0.03))
        take(log, 4, "second", 3.0, overflow=(0.1, 0.2))
        take(log, 5, "second", 3.0)
    assert lines(tmp_path, "training")[1]["overflow"] == {"first": pytest.approx(0.015), "second": pytest.approx(0.15)}
    assert [step for step, _ in scalars(tmp_path)["training/overflow/first"]] == [1, 4]
    assert lines(tmp_path, "training")[2]["overflow"] == {}  # a problem whose net has no experts
    shown = out.getvalue().splitlines()
    assert "experts overflow 4.0%" in shown[0] and "experts overflow 6.0%" in shown[1]  # (2 * 0.015 + 0.15) / 3
    assert "overflow" not in shown[2]


def test_closing_logs_the_steps_since_the_last_line(tmp_path):
    with open_log(tmp_path, every=100) as log:
        take(log, 1, "first", 8.0)
        take(log, 2, "second", 4.0)
    assert [line["step"] for line in lines(tmp_path, "training")] == [1, 2]


def test_tensorboard_reads_back_training_and_metrics_under_their_tags(tmp_path):
    with open_log(tmp_path, every=2) as log:
        take(log, 1, "first", 8.0)
        take(log, 2, "second", 4.0)
        log.evaluation(2, {"first": {"accuracy": 0.25, "neg_log_perplexity": -2.0}, "second": {"accuracy": 0.5}})
    read = scalars(tmp_path)
    assert read["metrics-first/accuracy"] == [(2, 0.25)]
    assert read["metrics-first/neg_log_perplexity"] == [(2, -2.0)]
    assert read["metrics-second/accuracy"] == [(2, 0.5)]
    assert read["training/loss/first"] == [(1, 8.0)]
    assert read["training/loss/second"] == [(2, 4.0)]
    assert read["training/learning_rate"] == [(1, pytest.approx(0.001)), (2, pytest.approx(0.002))]
    assert read["training/steps_per_second"] == [(1, 2.0), (2, 2.0)]
    assert read["training/tokens_per_second"] == [(1, 60.0), (2, 60.0)]
    assert read["training/waiting"] == [(1, pytest.approx(0.2)), (2, pytest.approx(0.2))]


def test_an_evaluation_is_in_the_log_and_on_the_terminal(tmp_path):
    out = io.StringIO()
    with open_log(tmp_path, out=out) as log:
        log.evaluation(7, {"first": {"accuracy": 0.25}})
    assert lines(tmp_path, "evaluation")[0]["metrics"] == {"first": {"accuracy": 0.25}}
    assert "evaluation at step 7\n  first: accuracy 0.2500\n" in out.getvalue()


def test_tensorboard_forgets_steps_that_a_resumed_run_takes_again(tmp_path):
    with open_log(tmp_path, every=1) as log:
        for step in (1, 2, 3):
            take(log, step, "first", float(step))
    with open_log(tmp_path, every=1, start=1) as log:
        take(log, 2, "first", 20.0)
    assert scalars(tmp_path)["training/loss/first"] == [(1, 1.0), (2, 20.0)]
    assert [line["step"] for line in lines(tmp_path, "start")] == [0, 1]


def test_half_a_line_of_a_killed_run_does_not_spoil_the_next(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"kind": "training", "st')
    with open_log(tmp_path) as log:
        take(log, 1, "first", 8.0)
    read = (tmp_path / "log.jsonl").read_text().splitlines()
    assert read[0] == '{"kind": "training", "st'
    assert [json.loads(line)["kind"] for line in read[1:]] == ["start", "training"]


def test_without_a_terminal_progress_is_one_plain_line(tmp_path):
    out = io.StringIO()
    with open_log(tmp_path, out=out, every=10, train_steps=1000) as log:
        for step in range(1, 11):
            take(log, step, ("second", "first")[step % 2], 2.0)
        log.say("[b]as it is[/b]")
    shown = out.getvalue().splitlines()
    assert shown[1] == (
        "step 10/1,000  2.00 steps/s  60 tokens/s  waiting 20%  lr 1.00e-02  8:15 left  first 2.000  second 2.000"
    )
    assert shown[2] == "[b]as it is[/b]"
    assert len(shown) == 3


def test_on_a_terminal_each_problem_has_a_row_and_remarks_stand_above(tmp_path):
    out = io.StringIO()
    with open_log(tmp_path, terminal=True, out=out, every=2) as log:
        take(log, 1, "first", 8.0)
        take(log, 2, "second", 4.0)
        log.say("[b]as it is[/b]")
    last = out.getvalue().split("[b]as it is[/b]")[-1]
    rows = [line.split() for line in last.splitlines()]
    assert ["first", "8.000", "1", "30"] in rows
    assert ["second", "4.000", "1", "30"] in rows
    assert "step 2/20  2.00 steps/s  60 tokens/s  waiting 20%" in last


def test_the_loss_shown_is_smoothed_over_the_problems_own_steps(tmp_path):
    out = io.StringIO()
    with open_log(tmp_path, out=out, every=3) as log:
        take(log, 1, "first", 4.0)
        take(log, 2, "second", 100.0)
        take(log, 3, "first", 2.0)
    assert "first 3.900" in out.getvalue()  # 0.95 * 4 + 0.05 * 2


def test_a_loss_that_is_no_number_is_shown_and_does_not_stay(tmp_path):
    out = io.StringIO()
    with open_log(tmp_path, out=out, every=1) as log:
        take(log, 1, "first", math.nan)
        take(log, 2, "first", 2.0)
    assert [line.rsplit("  ", 1)[1] for line in out.getvalue().splitlines()] == ["first nan", "first 2.000"]


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UserError, match="could not be written"):
        open_log(tmp_path / "run")


def test_a_full_disk_is_reported_once_and_the_run_continues(tmp_path):
    script = f"""
import resource
from pathlib import Path
from t2t_mm.train.logs.training_log import StepMetrics, TrainingLog
with TrainingLog(Path({str(tmp_path)!r}), ["a"], 9999, every=1) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))  # files end here, as on a full disk
    for step in range(1, 100):
        log.step(step, [StepMetrics("a", 1.0, 1)], 1.0, 0.0, 0.1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.step(100, [StepMetrics("a", 1.0, 1)], 1.0, 0.0, 0.1)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stderr.split()).count("The log of the run in") == 1
    assert lines(tmp_path, "training")[-1]["step"] == 100  # and every line is whole


def test_a_corrupt_record_that_is_left_out_is_reported_once_and_counted(tmp_path, capsys):
    with TrainingLog(tmp_path, ["a"], 10) as log:
        log.corrupt(3, "a", ["Record 1 is bad.", "Record 2 is bad."])
        log.corrupt(7, "a", ["Record 2 is bad."])
        log.corrupt(9, "a", ["Record 5 is bad."])
    printed = " ".join(capsys.readouterr().err.split())
    assert printed.count("is bad.") == 3 and "Record 5 is bad. It is left out; 3 so far." in printed
    assert [(line["step"], line["record"], line["so_far"]) for line in lines(tmp_path, "corrupt")] == [
        (3, "Record 1 is bad.", 1),
        (3, "Record 2 is bad.", 2),
        (9, "Record 5 is bad.", 3),
    ]


def test_logging_imports_no_tensorflow(tmp_path):
    script = f"""
import sys
from pathlib import Path
from t2t_mm.train.logs.training_log import StepMetrics, TrainingLog
from t2t_mm.train import checkpoint
from t2t_mm.evaluation import baselines
from t2t_mm.train.mixture import mixer
from t2t_mm.evaluation import results
from t2t_mm.train.optim import learning_rate
with TrainingLog(Path({str(tmp_path)!r}), ["a"], 10) as log:
    log.step(1, [StepMetrics("a", 1.0, 1)], 1.0, 0.0, 0.1)
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n"


def test_summaries_of_a_problem_are_in_the_log_without_images_and_in_tensorboard_with_them(tmp_path):
    rows = [("input", "ein Haus"), ("output", "a house")]
    with open_log(tmp_path) as log:
        log.summaries(7, "first", Summaries({"load": 0.5}, {"card": rows}, {"map": Image.new("RGB", (3, 2))}))
    [line] = lines(tmp_path, "exhibit")
    assert (line["step"], line["problem"], line["scalars"]) == (7, "first", {"load": 0.5})
    assert line["texts"] == {"card": [list(row) for row in rows]}
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.width) for event in events.Images("map")] == [(7, 3)]
    assert [event.step for event in events.Tensors("card")] == [7]
    assert scalars(tmp_path)["load"] == [(7, 0.5)]


def test_steps_that_compiled_do_not_count_for_throughput(tmp_path):
    out = io.StringIO()
    with open_log(tmp_path, out=out, every=2) as log:
        log.step(1, [StepMetrics("first", 1.0, 50)], 9.0, 0.5, 0.1, compiling=8.5)
        take(log, 2, "first", 1.0)
        log.evaluation(2, {"first": {"accuracy": 0.5}}, compiling=1.5)
        take(log, 3, "first", 1.0)
    one, two, three = lines(tmp_path, "training")
    assert three["compiling"] == 10.0
    assert one["compiling"] == two["compiling"] == 8.5
    assert "steps_per_second" not in one  # nothing to go by yet
    assert (two["steps_per_second"], two["tokens_per_second"]) == (pytest.approx(2), pytest.approx(60))
    assert "compiled in 8 s" in out.getvalue()
