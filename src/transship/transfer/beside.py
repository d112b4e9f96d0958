"""Starts what reads beside a host's daemon (`agent.beside_docker`), with nothing but the host's own Python."""

import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import IO, cast

from transship.errors import CommandError
from transship.hosts.agent import archive as program
from transship.hosts.base import Host

_CHUNK = 1 << 18
_START = """\
import os, sys
fd = os.memfd_create("transship")
with open(fd, "wb", closefd=False) as file:
    file.write(sys.stdin.buffer.read())
sys.path.insert(0, "/proc/self/fd/%d" % fd)
from transship_agent.beside_docker import run
run()
"""
"""What the host's Python is given on its command line; the program comes on standard input and touches no disk."""


def output(host: Host, words: Sequence[str]) -> Generator[bytes, None, None]:
    """Run `agent.beside_docker` on a host and yield what it writes. Closing the iterator ends it over there.

    What was read is whole only when the iterator has ended by itself. Raises `CommandError` where the program does not
    start or end well, and what `Host.popen` raises.
    """
    with host.popen(["python3", "-I", "-B", "-c", _START, *words]) as process:
        stdin, stdout, stderr = (cast("IO[bytes]", each) for each in (process.stdin, process.stdout, process.stderr))
        try:
            with suppress(BrokenPipeError), stdin:  # a program that does not start says why
                stdin.write(program())
            while chunk := os.read(stdout.fileno(), _CHUNK):
                yield chunk
            said = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
            if process.wait() != 0:
                reason = said or f"the program ended with status {process.returncode}"
                raise CommandError(f"{host.name} cannot read what its Docker gives: {reason}")
        finally:
            process.kill()
