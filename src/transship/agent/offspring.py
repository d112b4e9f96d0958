"""Starts a part of this program as a process of its own, from the archive that it runs from."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_START = 'import sys; sys.path.insert(0, "/proc/self/fd/%d"); from transship_agent.%s import run; run()'


def start(
    module: str, words: Sequence[str], *, before: Sequence[str] = (), keep: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start `module.run()` with a pipe each for its standard files; `words` are its arguments.

    `before` is a program that starts it, with its words; the files in `keep` stay open. It is in a session of its own.
    """
    archive = os.open(sys.path[0], os.O_RDONLY)
    try:
        return subprocess.Popen(
            [*before, sys.executable, "-I", "-B", "-c", _START % (archive, module), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[archive, *keep],
            start_new_session=True,
        )
    finally:
        os.close(archive)
