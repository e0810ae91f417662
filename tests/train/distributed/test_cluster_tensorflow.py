"""Two processes on one host train as one does; if one of them ends, both end, and the run continues exactly."""

import signal

import keras
import pytest
import two_workers
from two_workers import KILLED_AT, assert_same_steps, assert_same_weights, finish, run_of, saved

if keras.backend.backend() != "tensorflow":
    pytest.skip("test_cluster_jax.py tests the same on JAX", allow_module_level=True)


def both_train(*arguments):
    """Train in two processes; return their exit codes and what they printed."""
    return two_workers.two_workers(two_workers.__file__, *arguments)


@pytest.mark.slow
def test_two_workers_train_as_one_process(letters, together, tmp_path):
    finish(run_of(letters["first"], tmp_path))
    assert_same_steps(together, tmp_path)


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_both_and_the_run_continues_exactly(data, together, tmp_path):
    codes, printed = both_train(data, tmp_path, "kill 1")
    assert codes == [1, -signal.SIGKILL], printed
    assert "Worker 0 of 2 stops: worker 1 (localhost:" in printed[0]
    assert saved(tmp_path)[1]["step"] == KILLED_AT - 1
    codes, printed = both_train(data, tmp_path)
    assert codes == [0, 0], printed
    assert_same_weights(tmp_path, together)
