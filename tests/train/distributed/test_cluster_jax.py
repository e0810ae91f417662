"""Two processes of JAX train as one does; what stops one of them stops both, and the run goes on exactly."""

import os
import signal

import pytest
import two_workers
from two_workers import KILLED_AT, assert_same_steps, assert_same_weights, end, one_process, saved

from t2t_mm.train.distributed.cluster_spec import VARIABLE, members
from t2t_mm.train.distributed.join import join

pytest.importorskip("jax")
TRAINS = two_workers.__file__


def both(script, *given):
    """The exit codes of two processes on JAX, and what they printed."""
    return two_workers.two_workers(script, *given, backend="jax")


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """Processes of these tests find what earlier ones compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        yield


def both_train(*given):
    """The same of processes that train."""
    return both(TRAINS, *given)


@pytest.mark.slow
def test_two_workers_of_jax_do_what_one_process_does(data, together, tmp_path):
    one_process(TRAINS, data, tmp_path, backend="jax")
    assert_same_steps(together, tmp_path)


@pytest.mark.slow
def test_a_worker_of_jax_that_is_killed_ends_both_and_the_run_goes_on_exactly(data, together, tmp_path):
    codes, printed = both_train(data, tmp_path, "kill 1")
    assert codes == [1, -signal.SIGKILL], printed
    assert printed[0].splitlines()[-1].startswith("Worker 0 of 2 stops: worker 1 (localhost:")
    assert saved(tmp_path)[1]["step"] == KILLED_AT - 1
    codes, printed = both_train(data, tmp_path)
    assert codes == [0, 0], printed
    assert_same_weights(tmp_path, together)


def work(fault=""):
    """Says and hears numbers; then, if asked to, the chief is killed and the other waits for it."""
    cluster = join(members(os.environ[VARIABLE]), lambda line: None)
    for _ in range(2):
        heard = cluster.sums([2.0**32 + cluster.index, 0.1]), cluster.from_chief(7.0 + cluster.index)
    if fault and cluster.chief:
        os.kill(os.getpid(), signal.SIGKILL)
    cluster.meet()
    return 0 if heard == ([2.0**33 + 1, 0.2], 7.0) else 3


@pytest.mark.slow
def test_workers_of_jax_hear_each_other_to_the_last_bit():
    assert both(__file__)[0] == [0, 0]


@pytest.mark.slow
def test_when_the_chief_is_killed_others_end_with_a_sentence_and_nothing_else():
    codes, printed = both(__file__, "kill")
    assert codes == [-signal.SIGKILL, 1], printed
    assert printed[1].startswith("Worker 1 of 2 stops: worker 0 (localhost:") and printed[1].count("\n") == 1


if __name__ == "__main__":
    end(work)
