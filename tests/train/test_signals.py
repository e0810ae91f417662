"""SIGTERM and SIGINT are noted, and the second one acts."""

import os
import signal
import threading

import pytest

from t2t_mm.train.signals import SIGNALS, stoppable


@pytest.fixture
def received():
    """What reaches the handlers that stood before."""
    signals = []
    before = {number: signal.signal(number, lambda number, frame: signals.append(number)) for number in SIGNALS}
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_signal_is_noted_and_sets_the_exit_code(received, number, code):
    with stoppable() as stop:
        assert (stop.requested, stop.exit_code) == (False, 0)
        os.kill(os.getpid(), number)
        assert (stop.requested, stop.exit_code) == (True, code)
    assert received == []


def test_the_second_signal_acts_at_once(received):
    with stoppable() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert received == [signal.SIGINT]
        assert stop.exit_code == 143


def test_afterwards_signals_go_where_they_went_before(received):
    with stoppable():
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(ValueError, match="on the way"), stoppable():
        raise ValueError("on the way")
    os.kill(os.getpid(), signal.SIGINT)
    assert received == [signal.SIGTERM, signal.SIGINT]


def test_outside_the_main_thread_nothing_is_changed(received):
    seen = []

    def work():
        with stoppable() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
