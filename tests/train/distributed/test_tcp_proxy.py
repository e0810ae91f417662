"""A TCP proxy forwards data both ways, and keeps the client's connection open when the server is gone."""

import select
import socket
import threading
import time

import pytest

from t2t_mm.train.distributed.tcp_proxy import TcpProxy


@pytest.fixture
def ends():
    """Return (the proxy, the client's socket, the server's socket)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = TcpProxy("127.0.0.1", server.getsockname()[1])
        server.accept()[0].close()  # the proxy's test whether the server answers
        with socket.create_connection(("127.0.0.1", proxy.port)) as near, server.accept()[0] as far:
            for end in near, far:
                end.settimeout(60)
            yield proxy, near, far


def test_data_is_forwarded_both_ways(ends):
    proxy, near, far = ends
    near.sendall(b"ask")
    assert far.recv(9) == b"ask"
    far.sendall(b"answer")
    assert near.recv(9) == b"answer" and not proxy.gone.is_set()


def test_the_clients_connection_stays_open_when_the_server_is_gone(ends):
    proxy, near, far = ends
    far.sendall(b"last")
    far.close()
    assert proxy.gone.wait(60)
    assert near.recv(9) == b"last"
    assert select.select([near], [], [], 0.2)[0] == []  # neither data nor an end


def test_the_server_does_not_count_as_gone_if_the_client_closes_the_connection(ends):
    proxy, near, far = ends
    near.close()
    assert far.recv(9) == b""
    far.close()
    assert not proxy.gone.wait(0.2)


def test_a_server_that_sends_nothing_counts_as_gone_after_the_seconds_of_silence(ends):
    proxy, near, far = ends
    assert not proxy.gone.wait(1.5)
    proxy.silence = 0.5
    assert proxy.gone.wait(60)


def test_a_proxy_waits_for_a_server_that_has_not_started():
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


def test_a_new_connection_is_kept_waiting_when_the_server_is_gone(ends):
    proxy, near, far = ends
    with socket.create_server(("127.0.0.1", 0)) as other:
        proxy._server = other.getsockname()
    with socket.create_connection(("127.0.0.1", proxy.port)) as new:
        assert proxy.gone.wait(60)
        assert select.select([new], [], [], 0.2)[0] == []
