import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path


class DialStdio:
    """A socket here that leads to a daemon there by one process per connection: `docker system dial-stdio`.

    For servers that forbid socket forwarding. Each connection takes one of `slots` while it lives.
    """

    def __init__(self, path: Path, command: Sequence[str], slots: threading.Semaphore) -> None:
        """Listen at `path`; `command` joins its stdin and stdout to the daemon."""
        self._command = list(command)
        self._slots = slots
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(128)
        threading.Thread(target=self._accept, name="dial-stdio", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: that is how it ends
                return
            threading.Thread(target=self._join, args=(connection,), name="dial-stdio", daemon=True).start()

    def _join(self, connection: socket.socket) -> None:
        # The program reads from and writes to the connection itself, so no byte passes through Python.
        with self._slots, connection:
            end = connection.fileno()
            process = subprocess.Popen(
                self._command, stdin=end, stdout=end, stderr=subprocess.DEVNULL, start_new_session=True
            )
            connection.close()
            process.wait()

    def close(self) -> None:
        """Listen no longer. Connections end with the SSH connection. Twice is fine."""
        if self._listener.fileno() >= 0:
            # close() alone does not wake a thread that waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
