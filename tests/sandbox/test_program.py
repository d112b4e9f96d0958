"""The sandbox's program: made of its source and nothing else, and doing what its first line says."""

import platform
import shutil
import signal
import subprocess
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


def test_the_image_is_small_and_always_the_same() -> None:
    for architecture in ARCHITECTURES:
        assert len(program(architecture)) < 2048
        assert archive(architecture) == archive(architecture)
    assert image_name("amd64") != image_name("arm64")


def test_an_architecture_without_a_program_is_refused() -> None:
    with pytest.raises(PreflightError, match="no sandbox program for riscv64"):
        program("riscv64")
