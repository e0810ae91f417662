"""Which batch sizes are tried where memory gives out, and what is said of it."""

import pickle
from pathlib import Path

import pytest

from t2t_mm.data.input.check_records import SplitCheck
from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.run_config import RunConfig
from t2t_mm.train.memory.memory_limit import Ended
from t2t_mm.train.preflight import Preflight, _faults_of_steps
from t2t_mm.train.trial_step import Fit, TrialResult, TrialStep, try_out

GB = 10**9


def trial(*problems, batch_size=1024):
    hparams = HPARAM_SETS["multimodel_demo"]().override(f"batch_size={batch_size}")
    return TrialStep(RunConfig(problems=problems), hparams, Path("nowhere"))


def fit(problem, batch_size):
    return Fit(problem, batch_size, {"targets": (batch_size // 8, 8)}, batch_size * 10**6, 2.5, 1.0)


class Machine:
    """Runs processes that have room for batches of so many, by problem, as `watched` would."""

    def __init__(self, room, net_fits=True, code=-9):
        self.room, self.net_fits, self.code, self.tries = room, net_fits, code, []

    def __call__(self, work, arguments, limit, hear):
        _, packed, tries = arguments
        assert isinstance(pickle.loads(packed), TrialStep)
        self.tries.append(list(tries))
        if not self.net_fits:
            return Ended(over=True, code=-9)
        hear(("built", None))
        for name, batch_size in tries:
            if batch_size > self.room[name]:
                return Ended(over=self.code == -9, code=self.code)
            hear(("fits", fit(name, batch_size)))
        return Ended(over=False, code=0)


def test_where_all_fit_one_process_tries_them_all():
    machine = Machine({"a": 9999, "b": 9999})
    tried = try_out(trial("a", "b"), GB, machine)
    assert machine.tries == [[("a", 1024), ("b", 1024)]]
    assert [(one.problem, one.fits) for one in tried] == [("a", True), ("b", True)]
    assert _faults_of_steps(tried, GB) == []


def test_smaller_batches_are_tried_upwards_where_one_does_not_fit_and_then_the_other_problems():
    machine = Machine({"a": 9999, "b": 300, "c": 9999})
    tried = try_out(trial("a", "b", "c"), GB, machine)
    assert machine.tries == [
        [("a", 1024), ("b", 1024), ("c", 1024)],
        [("b", size) for size in (1, 16, 32, 64, 128, 256, 512)],
        [("c", 1024)],
    ]
    assert [(one.problem, one.at_most.batch_size, one.fits) for one in tried] == [
        ("a", 1024, True),
        ("b", 256, False),
        ("c", 1024, True),
    ]
    assert _faults_of_steps(tried, GB) == [
        "A step of b on its largest batch does not fit into memory (1.0 GB are left) with batch_size=1024.",
        "All fit with --hparams=batch_size=256.",
    ]


def test_of_several_that_do_not_fit_the_smallest_batch_size_serves_all():
    tried = try_out(trial("a", "b"), None, Machine({"a": 600, "b": 130}))
    assert _faults_of_steps(tried, None)[-1] == "All fit with --hparams=batch_size=128."


def test_where_no_batch_size_fits_it_is_said_what_else_may_help():
    machine = Machine({"a": 0})
    tried = try_out(trial("a", batch_size=2), None, machine)
    assert machine.tries == [[("a", 2)], [("a", 1)]] and tried == [TrialResult("a", 2, None)]
    assert "One example of a does not fit" in _faults_of_steps(tried, None)[-1]


def test_a_net_that_does_not_fit_without_a_batch_is_refused():
    with pytest.raises(UserError, match="The net and its optimizer alone take more than the memory that is left, 1.0"):
        try_out(trial("a"), GB, Machine({}, net_fits=False))


def test_a_process_that_ends_otherwise_is_no_want_of_memory():
    with pytest.raises(UserError, match="The process that tried a step of b ended with code -11 and no message."):
        try_out(trial("a", "b"), GB, Machine({"a": 9999, "b": 0}, code=-11))


def test_a_loss_that_is_not_finite_is_a_fault():
    (fault,) = _faults_of_steps([TrialResult("a", 8, Fit("a", 8, {}, GB, float("nan"), 1.0))], None)
    assert fault == "The loss of a is nan in the first step."


def test_what_was_found_stands_in_two_tables():
    looked = SplitCheck("a", "train", 80, 40, {"empty": 10}, 10, ())
    tried = try_out(trial("a", batch_size=16), 2 * GB, Machine({"a": 8}))
    data, steps = Preflight((looked,), tuple(tried), 2 * GB, ()).tables()
    assert list(data.rows[0]) == ["a", "train", "80", "40", "10 empty", "10", "22.22%", "yes"]
    assert data.notes[-1] == "a: 22.2% of its examples of train are dropped."
    assert list(steps.rows[0]) == ["a", "targets 1x8", "0.01 GB", "1.0", "2.50", "batch_size=8"]
    assert Preflight((looked,), (), None, ()).tables() == [data]
