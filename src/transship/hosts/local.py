import errno
import socket
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from docker.errors import TLSParameterError
from docker.tls import TLSConfig

from transship.errors import (
    AccessDeniedError,
    CommandError,
    DockerDownError,
    HostError,
    TransshipError,
    UnreachableError,
    UsageError,
)
from transship.hosts.address import TcpAddress, TlsFiles, UnixAddress
from transship.hosts.base import Completed
from transship.hosts.daemon_requests import Api
from transship.hosts.docker import ApiDocker, open_api
from transship.hosts.docker_errors import FOREIGN

_CONNECT_SECONDS = 10.0


class LocalHost:
    """A daemon that needs no login: this machine's own socket, or a network address, which serves its API alone."""

    def __init__(self, name: str, address: UnixAddress | TcpAddress) -> None:
        self.name = name
        self.docker = ApiDocker(self)
        self._address = address
        self._lock = threading.Lock()
        self._api: Api | None = None
        self._closed = False

    @property
    def network_address(self) -> str:
        """The daemon's host; for a socket here the loopback address."""
        return self._address.host if isinstance(self._address, TcpAddress) else "127.0.0.1"

    @property
    def can_run(self) -> bool:
        """Whether programs can be run beside the daemon."""
        return isinstance(self._address, UnixAddress)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run a program here; see the port. One that `timeout` cuts off is killed."""
        with self.popen(argv) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired as error:
                raise CommandError(f"{argv[0]} on {self.name} did not end within {timeout:.0f} s") from error
            finally:
                if process.poll() is None:
                    process.kill()
        return Completed(process.returncode, stdout, stderr)

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program with pipes; see the port."""
        if not self.can_run:
            raise CommandError(f"{self.name} is reached by Docker's API alone: no program can be run there")
        try:
            return subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CommandError(f"{argv[0]} cannot be run on {self.name}: {error.strerror}") from error

    def api(self) -> Api:
        """Return the connection to Docker, opened where there is none."""
        with self._lock:
            if self._closed:
                raise TransshipError(f"the connection to {self.name} was closed before this call")
            if self._api is None:
                self._api = self._open()
            return self._api

    def _open(self) -> Api:
        try:
            tls = self._tls()
            # Asked first, as the SDK leaves a socket open that it could not connect.
            if trouble := self.trouble():
                raise trouble
            return open_api(str(self._address), tls=tls)
        except TLSParameterError as error:
            raise UsageError(f"the certificates for {self.name} cannot be used: {error.msg}") from error
        except FOREIGN as error:
            raise (self.trouble() or self._down(error)) from error

    def _tls(self) -> TLSConfig | None:
        files = self._address.tls if isinstance(self._address, TcpAddress) else None
        return _tls_config(files) if files else None

    def _down(self, error: Exception) -> DockerDownError:
        return DockerDownError(
            f"cannot use Docker on {self.name}: {self._address} answers, but not as Docker does "
            f"({type(error).__name__})",
            hint="check the port and, for TLS, the certificates",
        )

    def trouble(self) -> HostError | None:
        """Find out why the daemon cannot be spoken to; None if something listens there."""
        try:
            if isinstance(self._address, TcpAddress):
                address = (self._address.host, self._address.port)
                socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
            else:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(self._address.path)
        except PermissionError:
            return AccessDeniedError(
                f"cannot use Docker on {self.name}: the user may not use {self._address}",
                hint="put the user into the group: sudo usermod -aG docker USER, and log in anew",
            )
        except OSError as error:
            return self._unreached(error)
        return None

    def _unreached(self, error: OSError) -> HostError:
        if isinstance(self._address, UnixAddress) or error.errno == errno.ECONNREFUSED:
            return DockerDownError(
                f"cannot use Docker on {self.name}: no daemon answers at {self._address}",
                hint="start it: sudo systemctl start docker",
            )
        return UnreachableError(f"cannot connect to {self.name} at {self._address}: {error.strerror or error}")

    def close(self) -> None:
        """Close the connection; see the port."""
        with self._lock:
            self._closed = True
            if self._api is not None:
                self._api.client.close()
            self._api = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tls_config(files: TlsFiles) -> TLSConfig:
    client_cert = (str(files.cert), str(files.key)) if files.cert and files.key else None
    return TLSConfig(client_cert=client_cert, ca_cert=str(files.ca) if files.ca else None, verify=files.verify)
