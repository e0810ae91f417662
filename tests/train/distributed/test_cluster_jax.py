"""Two JAX processes train as one does; if one of them ends, both end, and the run continues exactly."""

import os
import signal

import pytest
import two_workers
from two_workers import KILLED_AT, assert_same_steps, assert_same_weights, end, one_process, saved

from t2t_mm.train.distributed.cluster_spec import VARIABLE, parse_cluster_spec
from t2t_mm.train.distributed.join import join

pytest.importorskip("jax")
TRAINS = two_workers.__file__


def both(script, *arguments):
    """Run two processes on JAX; return their exit codes and what they printed."""
    return two_workers.two_workers(script, *arguments, backend="jax")


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """Let the processes of these tests reuse what earlier ones compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        yield


def both_train(*arguments):
    """Train in two processes on JAX; return their exit codes and what they printed."""
    return both(TRAINS, *arguments)


@pytest.mark.slow
def test_two_jax_workers_train_as_one_process(data, together, tmp_path):
    one_process(TRAINS, data, tmp_path, backend="jax")
    assert_same_steps(together, tmp_path)


@pytest.mark.slow
def test_a_jax_worker_that_is_killed_ends_both_and_the_run_continues_exactly(data, together, tmp_path):
    codes, printed = both_train(data, tmp_path, "kill 1")
    assert codes == [1, -signal.SIGKILL], printed
    assert printed[0].splitlines()[-1].startswith("Worker 0 of 2 stops: worker 1 (localhost:")
    assert saved(tmp_path)[1]["step"] == KILLED_AT - 1
    codes, printed = both_train(data, tmp_path)
    assert codes == [0, 0], printed
    assert_same_weights(tmp_path, together)


def work(fault=""):
    """Exchange numbers; then, with a fault, the chief is killed and the other worker waits for it."""
    cluster = join(parse_cluster_spec(os.environ[VARIABLE]), lambda line: None)
    for _ in range(2):
        results = (
            cluster.all_reduce_numbers([2.0**32 + cluster.index, 0.1]),
            cluster.broadcast_from_chief(7.0 + cluster.index),
        )
    if fault and cluster.chief:
        os.kill(os.getpid(), signal.SIGKILL)
    cluster.barrier()
    return 0 if results == ([2.0**33 + 1, 0.2], 7.0) else 3


@pytest.mark.slow
def test_jax_workers_exchange_numbers_to_the_last_bit():
    assert both(__file__)[0] == [0, 0]


@pytest.mark.slow
def test_when_the_chief_is_killed_others_end_with_one_sentence_only():
    codes, printed = both(__file__, "kill")
    assert codes == [-signal.SIGKILL, 1], printed
    assert printed[1].startswith("Worker 1 of 2 stops: worker 0 (localhost:") and printed[1].count("\n") == 1


if __name__ == "__main__":
    end(work)
