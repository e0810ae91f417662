"""Two processes on one host train as one does; what stops one of them stops both, and the run goes on exactly."""

import signal

import keras
import pytest
import two_workers
from two_workers import KILLED_AT, assert_same_steps, assert_same_weights, finish, run_of, saved

if keras.backend.backend() != "tensorflow":
    pytest.skip("test_cluster_jax.py is the like of it", allow_module_level=True)


def both_train(*given):
    """The exit codes of both processes, and what they printed."""
    return two_workers.two_workers(two_workers.__file__, *given)


@pytest.mark.slow
def test_two_workers_do_what_one_does(letters, together, tmp_path):
    finish(run_of(letters["first"], tmp_path))
    assert_same_steps(together, tmp_path)


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_both_and_the_run_goes_on_exactly(data, together, tmp_path):
    codes, printed = both_train(data, tmp_path, "kill 1")
    assert codes == [1, -signal.SIGKILL], printed
    assert "Worker 0 of 2 stops: worker 1 (localhost:" in printed[0]
    assert saved(tmp_path)[1]["step"] == KILLED_AT - 1
    codes, printed = both_train(data, tmp_path)
    assert codes == [0, 0], printed
    assert_same_weights(tmp_path, together)
