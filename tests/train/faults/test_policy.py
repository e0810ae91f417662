"""Policies for a step with a non-finite loss or gradient."""

import pytest

from t2t_mm.train.faults.policy import ROLLBACKS, SKIPS, Policy


def test_the_policy_stop_always_stops():
    assert Policy("stop").decide(5, 4) == ("stop", "")


def test_the_policy_skip_stops_only_after_too_many_skips_in_a_row():
    policy = Policy("skip")
    assert [policy.decide(step, None)[0] for step in range(1, SKIPS + 1)] == ["skip"] * SKIPS
    assert policy.decide(SKIPS + 2, None) == ("skip", "")  # a finite step was in between
    assert [policy.decide(SKIPS + 2 + more, None)[0] for more in range(1, SKIPS)] == ["skip"] * (SKIPS - 1)
    assert policy.decide(2 * SKIPS + 2, None)[0] == "stop"


def test_the_policy_rollback_stops_after_too_many_rollbacks_to_one_checkpoint():
    policy = Policy("rollback")
    assert [policy.decide(9, 4)[0] for _ in range(ROLLBACKS)] == ["rollback"] * ROLLBACKS
    assert policy.decide(12, 10) == ("rollback", "")
    assert policy.decide(9, 4) == ("stop", f"The run went back to step 4 {ROLLBACKS} times before. ")


@pytest.mark.parametrize("step", [1, 100])
def test_the_policy_rollback_stops_without_a_checkpoint(step):
    assert Policy("rollback").decide(step, None)[0] == "stop"
