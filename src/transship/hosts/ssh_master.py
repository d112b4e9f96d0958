import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from transship.errors import UnreachableError, UsageError
from transship.hosts.address import SshAddress
from transship.hosts.ssh_failures import login_failure

CONNECT_SECONDS = 10
"""How long a host may take to accept the connection."""

LOGIN_SECONDS = 30.0
"""How long connecting and logging in may take together, over however many jump hosts."""

ALIVE_SECONDS, ALIVE_COUNT = 4, 2
"""A connection that has been silent for ALIVE_COUNT questions, one each ALIVE_SECONDS, is lost."""

# A socket's name may have 107 characters; below this folder come ours, and 17 that ssh adds while it makes one.
_LONGEST_BASE = 70

# Ends ssh when our end of its standard input closes, which it does however we end; the signal that the kernel could
# send for us (PR_SET_PDEATHSIG) comes already when the thread that connected ends. `$$` cannot have become another
# process: its number stays taken while this session has a member. A signal that reaches ssh between two waits is
# only obeyed after the next, seconds later: hence the second one.
_GUARD = """
exec 3<&0
(read -r _ <&3; kill "$$"; sleep 0.5; kill -9 "$$"; rm -rf -- "$1") >/dev/null 2>&1 &
shift
exec ssh "$@" </dev/null 3<&-
"""

# The user's own configuration may ask for these, for logins of another kind.
PLAIN = ("RemoteCommand=none", "RequestTTY=no", "ClearAllForwardings=yes", "ForwardX11=no", "ForwardAgent=no",
          "PermitLocalCommand=no", "ControlPersist=no")  # fmt: skip

STRICT = ("BatchMode=yes", "StrictHostKeyChecking=yes", f"ConnectTimeout={CONNECT_SECONDS}", "ConnectionAttempts=1",
           f"ServerAliveInterval={ALIVE_SECONDS}", f"ServerAliveCountMax={ALIVE_COUNT}", "LogLevel=INFO",
           "StreamLocalBindMask=0177", "StreamLocalBindUnlink=yes")  # fmt: skip


class SshMaster:
    """One logged-in OpenSSH connection, shared by every command and forwarding.

    It ends with `close`, and by itself when this process ends in whatever way. Ctrl-C in the terminal does not reach
    it: undoing needs the connection. Everything private lies in `folder`, which goes with it.
    """

    def __init__(self, name: str, address: SshAddress, config: Path | None) -> None:
        """Connect and log in. Raises what `login_failure` tells; then nothing is left running."""
        self.name = name
        self.address = address
        self.folder = _private_folder()
        self._control = self.folder / "m"
        self._log = self.folder / "log"
        options = [part for option in (*PLAIN, *STRICT) for part in ("-o", option)]
        ssh = ["-M", "-N", "-T", "-S", str(self._control), *options, *config_words(config), *login_words(address)]
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    ["sh", "-c", _GUARD, "sh", str(self.folder), *ssh],
                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
                )  # fmt: skip
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + LOGIN_SECONDS
        while not self._control.exists():
            if not self.alive():
                raise login_failure(self.name, login_name(self.address), self.log())
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"cannot connect to {self.name}: no login within {LOGIN_SECONDS:.0f} s",
                    hint=f"try: ssh {login_name(self.address)}",
                )
            time.sleep(0.003)

    def alive(self) -> bool:
        """Whether the connection stands, as far as ssh knows by now."""
        return self._process.poll() is None

    def ended(self, seconds: float) -> bool:
        """Whether the connection is gone, or goes within `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def log(self) -> str:
        """What ssh has said so far."""
        return self._log.read_text(errors="replace")

    def command(self, argv: Sequence[str]) -> list[str]:
        """The local command that runs `argv` on the host over this connection. One that is lost is never replaced."""
        # ssh sends one string to the login shell over there; -F none: the user's file was read for the connection.
        return [*self._client(), "-T", "--", self.address.host, shlex.join(argv)]

    def forward(self, socket: str) -> Path:
        """Make a socket here that leads to `socket` over there, and return its path.

        Success does not mean that the server lets it be used: that shows at the first connection.
        """
        here = self.folder / "d"
        words = [*self._client(), "-O", "forward", "-L", f"{here}:{socket}", "--", self.address.host]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=CONNECT_SECONDS, check=False,
                start_new_session=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"the connection to {self.name} does not answer") from error
        if done.returncode != 0:
            raise login_failure(self.name, login_name(self.address), done.stderr.decode(errors="replace"))
        return here

    def _client(self) -> list[str]:
        # Without its master ssh would silently make a connection of its own: ProxyCommand=false forbids it.
        return ["ssh", "-F", "none", "-S", str(self._control), "-o", "ProxyCommand=false"]

    def close(self) -> None:
        """End the connection and all that runs over it. Twice is fine; never raises."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def config_words(config: Path | None) -> list[str]:
    """The words that make ssh read the user's file instead of its own."""
    return ["-F", str(config)] if config else []


def login_words(address: SshAddress) -> list[str]:
    """The words that name the login, the host last, where ssh cannot take it for an option."""
    port = ["-p", str(address.port)] if address.port else []
    user = ["-l", address.user] if address.user else []
    return [*port, *user, "--", address.host]


def login_name(address: SshAddress) -> str:
    """What a person would give to ssh."""
    user = f"{address.user}@" if address.user else ""
    port = f"-p {address.port} " if address.port else ""
    return f"{port}{user}{address.host}"


def configuration(address: SshAddress, config: Path | None) -> dict[str, str]:
    """What ssh's configuration says of a host (`ssh -G`): aliases resolved, each option's first value.

    Nothing is contacted. Raises what `login_failure` tells.
    """
    words = ["ssh", "-G", *config_words(config), *login_words(address)]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreachableError(f"ssh -G {address.host} does not work: {error}") from error
    if done.returncode != 0:
        raise login_failure(str(address), login_name(address), done.stderr.decode(errors="replace"))
    told: dict[str, str] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        key, _, value = line.partition(" ")
        told.setdefault(key, value)
    return told


def forwarding_command(address: SshAddress, config: Path | None, argv: Sequence[str]) -> list[str]:
    """The local command that runs `argv` on the host over a connection of its own, with the ssh-agent forwarded."""
    own = ("ForwardAgent=yes", "ControlMaster=no", "ControlPath=none", *PLAIN, *STRICT)
    options = [part for option in own for part in ("-o", option)]
    return ["ssh", "-T", *options, *config_words(config), *login_words(address), shlex.join(argv)]


def _private_folder() -> Path:
    """Make a folder for sockets that only we can enter."""
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()):
        if base and len(base) <= _LONGEST_BASE and os.access(base, os.W_OK):
            return Path(tempfile.mkdtemp(prefix="transship-", dir=base))
    raise UsageError(
        f"the temporary folder {tempfile.gettempdir()} has too long a name for a socket in it, or cannot be written",
        hint="set TMPDIR to a short path",
    )
