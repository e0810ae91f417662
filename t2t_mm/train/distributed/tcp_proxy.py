"""TCP proxy to the server of another process, which keeps the client's connection open when the server is gone.

Some clients, such as JAX's, end their own process as soon as their server closes the connection. Behind the proxy they
continue, and the proxy's `gone` says that the server is gone.
"""

import socket
import threading
import time
from contextlib import suppress

SECONDS_BETWEEN_CALLS = 0.5  # between attempts to connect to the server
PATIENCE = 10.0  # seconds for the server to accept a connection
LOOK = 1.0  # seconds between looks at the clock
CHUNK = 1 << 16  # bytes


class TcpProxy:
    """Proxy that forwards connections to its `port`, from this host only, to the server at (host, port)."""

    def __init__(self, host: str, port: int) -> None:
        """Wait without limit until the server answers, then listen."""
        self._server = host, port
        self.silence: float | None = None  # seconds without data after which the server counts as gone
        self.gone = threading.Event()  # set once the server has ended or cannot be reached
        self._kept: list[socket.socket] = []  # clients' sockets whose server is gone
        while not self._answers():
            time.sleep(SECONDS_BETWEEN_CALLS)
        self._near = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._near.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(self._server, PATIENCE).close()
            return True
        return False

    def _serve(self) -> None:
        while True:
            near, _ = self._near.accept()
            try:
                far = socket.create_connection(self._server, PATIENCE)
            except OSError:
                self._is_gone(near)
                continue
            far.settimeout(LOOK)
            hung_up = threading.Event()
            for way in self._to_server, self._to_client:
                threading.Thread(target=way, args=(near, far, hung_up), daemon=True).start()

    def _to_server(self, near: socket.socket, far: socket.socket, hung_up: threading.Event) -> None:
        """Forward data from the client until it closes the connection, or until the server accepts no more."""
        with suppress(OSError):
            while data := near.recv(CHUNK):
                far.sendall(data)
            hung_up.set()
            far.shutdown(socket.SHUT_RDWR)

    def _to_client(self, near: socket.socket, far: socket.socket, hung_up: threading.Event) -> None:
        """Forward data from the server until it is gone, or until the client has closed the connection."""
        received = time.monotonic()
        with suppress(OSError):
            while self.silence is None or time.monotonic() - received < self.silence:
                try:
                    data = far.recv(CHUNK)
                except TimeoutError:
                    continue
                if not data:
                    break
                received = time.monotonic()
                near.sendall(data)
        if hung_up.is_set():
            near.close()
        else:
            self._is_gone(near)

    def _is_gone(self, near: socket.socket) -> None:
        self._kept.append(near)
        self.gone.set()
