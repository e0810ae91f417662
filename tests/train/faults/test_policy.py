"""What is done about a step that is not finite."""

import pytest

from t2t_mm.train.faults.policy import ROLLBACKS, SKIPS, Policy


def test_stop_stops():
    assert Policy("stop").decide(5, 4) == ("stop", "")


def test_skip_gives_up_after_too_many_in_a_row_alone():
    policy = Policy("skip")
    assert [policy.decide(step, None)[0] for step in range(1, SKIPS + 1)] == ["skip"] * SKIPS
    assert policy.decide(SKIPS + 2, None) == ("skip", "")  # a sound step lay between
    assert [policy.decide(SKIPS + 2 + more, None)[0] for more in range(1, SKIPS)] == ["skip"] * (SKIPS - 1)
    assert policy.decide(2 * SKIPS + 2, None)[0] == "stop"


def test_rollback_gives_up_on_a_checkpoint_that_leads_nowhere():
    policy = Policy("rollback")
    assert [policy.decide(9, 4)[0] for _ in range(ROLLBACKS)] == ["rollback"] * ROLLBACKS
    assert policy.decide(12, 10) == ("rollback", "")
    assert policy.decide(9, 4) == ("stop", f"The run went back to step 4 {ROLLBACKS} times before. ")


@pytest.mark.parametrize("step", [1, 100])
def test_without_a_checkpoint_there_is_no_way_back(step):
    assert Policy("rollback").decide(step, None)[0] == "stop"
