"""The sandbox's program: made of its source and nothing else, and doing what its first line says."""

import platform
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from transship.errors import PreflightError
from transship.sandbox.image import ARCHITECTURES, archive, image_name, program

TOOLS = {"amd64": "x86_64-linux-gnu-", "arm64": "aarch64-linux-gnu-"}
EMULATORS = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}
OWN = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


def tool(name: str, architecture: str) -> str:
    found = shutil.which(TOOLS[architecture] + name) or (architecture == OWN and shutil.which(name))
    if not found:
        pytest.skip(f"needs {name} for {architecture}: apt-get install binutils-{TOOLS[architecture].rstrip('-')}")
    return found


def runner(architecture: str) -> list[str]:
    if architecture == OWN:
        return []
    emulator = shutil.which(EMULATORS[architecture])
    if emulator is None:
        pytest.skip(f"needs {EMULATORS[architecture]}: apt-get install qemu-user")
    return [emulator]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_program_is_what_its_source_assembles_to(architecture: str, tmp_path: Path) -> None:
    assembler, copier = tool("as", architecture), tool("objcopy", architecture)
    with as_file(files("transship.sandbox") / f"hold-{architecture}.S") as source:
        subprocess.run([assembler, "-o", tmp_path / "hold.o", source], check=True)
    subprocess.run([copier, "-O", "binary", tmp_path / "hold.o", tmp_path / "hold"], check=True)
    assert (tmp_path / "hold").read_bytes() == program(architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("ending", SIGNALS)
def test_the_program_waits_until_it_is_told_to_end(architecture: str, ending: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "hold"
    path.write_bytes(program(architecture))
    path.chmod(0o755)
    # Blocked before it begins, as nobody can see when it has blocked them itself.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with subprocess.Popen([*runner(architecture), path]) as process:
            for interruption in (signal.SIGSTOP, signal.SIGCONT):
                process.send_signal(interruption)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.2)
            process.send_signal(ending)
            assert process.wait(10) == 0
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class Daemon:
    """Listens at a socket, and answers each connection once, in small pieces."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.heard: list[bytes] = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # it has heard enough
                self.heard.append(connection.recv(100))
                for start in range(0, len(self._answer), 7):
                    connection.sendall(self._answer[start : start + 7])


@contextmanager
def daemon(path: Path, answer: bytes) -> Iterator[Daemon]:
    listening = Daemon(path, answer)
    try:
        yield listening
    finally:
        listening.close()


WORDS = "cannot join network"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"x" * 5000 + b"ccannot join cannot join network of it" + b"x" * 5000, True),
        (b"cannot join networ", False),
        (b"x" * 9000 + b"cannot join network", True),
        (b"", False),
    ],
    ids=["in the middle", "not to its end", "at the end", "nothing"],
)
def test_the_program_asks_before_it_tells(architecture: str, answer: bytes, told: bool, tmp_path: Path) -> None:
    path, at = tmp_path / "hold", tmp_path / "daemon"
    path.write_bytes(program(architecture))
    path.chmod(0o755)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with daemon(at, answer) as listening:
            words = (at, "GET it\r\n\r\n", "POST it\r\n\r\n", WORDS)
            with subprocess.Popen([*runner(architecture), path, *words]) as process:
                process.send_signal(signal.SIGTERM)  # is heard when all has been said
                assert process.wait(30) == 0
            expected = [b"GET it\r\n\r\n", b"POST it\r\n\r\n"]
            assert listening.heard == expected[: 1 + told]
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_program_waits_where_nobody_answers(architecture: str, tmp_path: Path) -> None:
    path = tmp_path / "hold"
    path.write_bytes(program(architecture))
    path.chmod(0o755)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        words = (tmp_path / "nothing", "GET", "POST", WORDS)
        with subprocess.Popen([*runner(architecture), path, *words]) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def test_the_image_is_small_and_always_the_same() -> None:
    for architecture in ARCHITECTURES:
        assert len(program(architecture)) < 2048
        assert archive(architecture) == archive(architecture)
    assert image_name("amd64") != image_name("arm64")


def test_an_architecture_without_a_program_is_refused() -> None:
    with pytest.raises(PreflightError, match="no sandbox program for riscv64"):
        program("riscv64")
