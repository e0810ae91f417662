"""A way by TCP to a server of another process, whose near end stays open when the server is gone.

Some clients end their own process as soon as their server leaves them. Through a relay they stay, and whoever asks the
relay learns that the server is gone.
"""

import socket
import threading
import time
from contextlib import suppress

SECONDS_BETWEEN_CALLS = 0.5
PATIENCE = 10.0  # seconds for a call to be answered
LOOK = 1.0  # seconds between looks at the clock
CHUNK = 1 << 16


class TcpProxy:
    """Passes on what connects to its `port`, on this host alone, to the server at (host, port)."""

    def __init__(self, host: str, port: int) -> None:
        """Waits, without end, until the server answers."""
        self._server = host, port
        self.silence: float | None = None  # seconds after which a server that sends nothing counts as gone
        self.gone = threading.Event()  # set once the server has ended, or cannot be reached any more
        self._kept: list[socket.socket] = []  # near ends whose far end is gone
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
            for way in self._there, self._back:
                threading.Thread(target=way, args=(near, far, hung_up), daemon=True).start()

    def _there(self, near: socket.socket, far: socket.socket, hung_up: threading.Event) -> None:
        """Until the client hangs up, or the server takes nothing more."""
        with suppress(OSError):
            while said := near.recv(CHUNK):
                far.sendall(said)
            hung_up.set()
            far.shutdown(socket.SHUT_RDWR)

    def _back(self, near: socket.socket, far: socket.socket, hung_up: threading.Event) -> None:
        """Until the server is gone, or the client has hung up."""
        heard = time.monotonic()
        with suppress(OSError):
            while self.silence is None or time.monotonic() - heard < self.silence:
                try:
                    said = far.recv(CHUNK)
                except TimeoutError:
                    continue
                if not said:
                    break
                heard = time.monotonic()
                near.sendall(said)
        if hung_up.is_set():
            near.close()
        else:
            self._is_gone(near)

    def _is_gone(self, near: socket.socket) -> None:
        self._kept.append(near)
        self.gone.set()
