import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from transship.errors import CommandError, DockerDownError, HostError, TransshipError, UnreachableError
from transship.hosts.address import SshAddress
from transship.hosts.base import Completed
from transship.hosts.daemon_requests import Api
from transship.hosts.dial_stdio import DialStdio
from transship.hosts.docker import ApiDocker, open_api, ping
from transship.hosts.docker_errors import FOREIGN
from transship.hosts.login import Login, login_to
from transship.hosts.ssh_daemon import FIND, FIND_SCRIPT, Daemon, find_daemon
from transship.hosts.ssh_failures import daemon_failure
from transship.hosts.ssh_master import SshMaster, configuration, forwarding_command

CHANNELS = 6
"""How many programs run at once over one connection: sshd allows ten by default, some are left for `popen`."""

REFUSED_SECONDS = 10.0
"""How long to try again when sshd refuses one more session: it counts those that have just ended for a moment."""

# A connection that breaks ends ssh a moment after what was carried by it.
_MOMENT = 0.5

# ssh's own status for its own failures; a program may end with it as well.
_SSH_FAILED = 255

_PING = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"


class SshHost:
    """A host that is reached with OpenSSH. Nothing is connected until it is used."""

    can_run = True

    def __init__(self, name: str, address: SshAddress, *, config: Path | None = None) -> None:
        self.name = name
        self.docker = ApiDocker(self)
        self._address = address
        self._config = config
        self._network_address = ""
        self._lock = threading.RLock()
        self._slots = threading.BoundedSemaphore(CHANNELS)
        self._master: SshMaster | None = None
        self._api: Api | None = None
        self._dial: DialStdio | None = None
        self._closed = False

    @property
    def network_address(self) -> str:
        """The host's name or address as ssh's configuration has it."""
        with self._lock:
            self._network_address = self._network_address or configuration(self._address, self._config)["hostname"]
            return self._network_address

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run a program; see the port. One that `timeout` cuts off over there may go on: only its input ends."""
        master = self._connected()
        with self._slots:
            deadline = time.monotonic() + REFUSED_SECONDS
            while _refused(done := self._run(master, argv, stdin, timeout)):
                if time.monotonic() > deadline:
                    raise UnreachableError(
                        f"{self.name} refuses one more session on the connection",
                        hint="raise MaxSessions in its sshd_config",
                    )
                time.sleep(0.05)
        return done

    def _run(self, master: SshMaster, argv: Sequence[str], stdin: bytes, timeout: float) -> Completed:
        process = self._start(master, argv)
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"{argv[0]} on {self.name} did not end within {timeout:.0f} s") from error
        finally:
            if process.poll() is None:
                _cut_off(process)
        if process.returncode == _SSH_FAILED and master.ended(_MOMENT):
            raise self._lost()
        return Completed(process.returncode, stdout, stderr)

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program with pipes; see the port."""
        return self._start(self._connected(), argv)

    def popen_forwarding(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """As `popen`, over a connection of its own to which the ssh-agent of this machine is forwarded.

        Whoever is root over there may use the agent for as long as the program runs, and no longer.
        """
        return _piped(forwarding_command(self._address, self._config, argv))

    def login(self) -> Login:
        """How another host logs in to this one. Raises `HostKeyError` where no key of it is known here."""
        return login_to(self._address, self._config)

    def _start(self, master: SshMaster, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        return _piped(master.command(argv))

    def api(self) -> Api:
        """Return the connection to Docker, opened (anew) where there is none."""
        with self._lock:
            master = self._connected()
            if self._api is None:
                self._api = self._open_api(master)
            return self._api

    def trouble(self) -> HostError | None:
        """Find out why the daemon cannot be spoken to; None if it can."""
        with self._lock:
            master, api = self._master, self._api
        if master is None or api is None or master.ended(_MOMENT):
            return self._lost()
        try:
            ping(api.client)
        except FOREIGN:
            return self._daemon_trouble(master)
        return None

    def _daemon_trouble(self, master: SshMaster) -> HostError:
        try:
            self._find(master)
        except HostError as error:
            return error
        return self._no_daemon()

    def _no_daemon(self) -> DockerDownError:
        return DockerDownError(
            f"cannot use Docker on {self.name}: no daemon answers at its socket",
            hint="start it: sudo systemctl start docker; or, if sshd there forbids AllowStreamLocalForwarding, "
            "install Docker's command line on the host",
        )

    def _lost(self) -> UnreachableError:
        return UnreachableError(
            f"the connection to {self.name} was lost",
            hint="the next call connects anew; check the network and that the host is up",
        )

    def _connected(self) -> SshMaster:
        with self._lock:
            if self._closed:
                raise TransshipError(f"the connection to {self.name} was closed before this call")
            if self._master is None or not self._master.alive():
                self._drop()
                self._master = SshMaster(self.name, self._address, self._config)
            return self._master

    def _find(self, master: SshMaster) -> Daemon:
        done = self._run(master, [*FIND, self._address.socket], FIND_SCRIPT, timeout=30.0)
        return find_daemon(self.name, done)

    def _open_api(self, master: SshMaster) -> Api:
        """Reach the daemon by a forwarded socket or, where that is not possible, through its command line."""
        daemon = self._find(master)
        if daemon.socket:
            try:
                return open_api(f"unix://{master.forward(daemon.socket)}")
            except FOREIGN as error:
                if not daemon.command_line:
                    raise self._no_daemon() from error
        return self._dial_api(master, daemon)

    def _dial_api(self, master: SshMaster, daemon: Daemon) -> Api:
        done = self._run(master, daemon.dial, _PING, timeout=30.0)
        if not done.stdout.startswith(b"HTTP/1."):
            raise daemon_failure(self.name, done.stderr.decode(errors="replace"))
        path = master.folder / "s"
        self._dial = DialStdio(path, master.command(daemon.dial), self._slots)
        try:
            return open_api(f"unix://{path}")
        except FOREIGN as error:
            raise self._no_daemon() from error

    def _drop(self) -> None:
        api, dial, master = self._api, self._dial, self._master
        self._api = self._dial = self._master = None
        if api is not None:
            api.client.close()
        if dial is not None:
            dial.close()
        if master is not None:
            master.close()

    def close(self) -> None:
        """End the connection and all that runs over it; see the port."""
        with self._lock:
            self._closed = True
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _piped(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # Its own session: Ctrl-C in the terminal is ours to handle.
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _refused(done: Completed) -> bool:
    """Whether the program was never started, because the server allows no more sessions at a time."""
    return done.status == _SSH_FAILED and b"mux_client_request_session: session request failed" in done.stderr


def _cut_off(process: subprocess.Popen[bytes]) -> None:
    """End a program's client. Its pipes are not read to their end: the master holds them while the program goes on."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()
