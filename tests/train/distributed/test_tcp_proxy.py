"""A relay hands on what both ends say, and hides from the near one that the far one is gone."""

import select
import socket
import threading
import time

import pytest

from t2t_mm.train.distributed.tcp_proxy import TcpProxy


@pytest.fixture
def ends():
    """(the relay, the client's socket, the server's)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = TcpProxy("127.0.0.1", server.getsockname()[1])
        server.accept()[0].close()  # the relay's look whether there is somebody
        with socket.create_connection(("127.0.0.1", relay.port)) as near, server.accept()[0] as far:
            for end in near, far:
                end.settimeout(60)
            yield relay, near, far


def test_both_ends_hear_each_other(ends):
    relay, near, far = ends
    near.sendall(b"ask")
    assert far.recv(9) == b"ask"
    far.sendall(b"answer")
    assert near.recv(9) == b"answer" and not relay.gone.is_set()


def test_the_client_is_not_hung_up_on_when_the_server_is_gone(ends):
    relay, near, far = ends
    far.sendall(b"last")
    far.close()
    assert relay.gone.wait(60)
    assert near.recv(9) == b"last"
    assert select.select([near], [], [], 0.2)[0] == []  # neither words nor an end


def test_a_client_that_hangs_up_is_no_loss(ends):
    relay, near, far = ends
    near.close()
    assert far.recv(9) == b""
    far.close()
    assert not relay.gone.wait(0.2)


def test_a_server_that_falls_silent_is_gone_once_it_is_expected_to_speak(ends):
    relay, near, far = ends
    assert not relay.gone.wait(1.5)
    relay.silence = 0.5
    assert relay.gone.wait(60)


def test_it_waits_for_a_server_that_is_not_there_yet():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # and does not listen
        port, made = server.getsockname()[1], []
        waiting = threading.Thread(target=lambda: made.append(TcpProxy("127.0.0.1", port)))
        waiting.start()
        time.sleep(0.2)
        assert not made
        server.listen()
        waiting.join(60)
        assert made


def test_what_calls_when_the_server_is_gone_is_kept_waiting(ends):
    relay, near, far = ends
    with socket.create_server(("127.0.0.1", 0)) as other:
        relay._server = other.getsockname()
    with socket.create_connection(("127.0.0.1", relay.port)) as late:
        assert relay.gone.wait(60)
        assert select.select([late], [], [], 0.2)[0] == []
