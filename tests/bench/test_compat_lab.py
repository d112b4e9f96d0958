"""`transship bench compat` on real hosts: a program that works, and one that the plan refuses and that goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from transship.bench.compat_run import kept

pytestmark = pytest.mark.lab

RINGS = Path("/proc/sys/kernel/io_uring_disabled")


@pytest.mark.skipif(RINGS.exists() and RINGS.read_text().strip() != "0", reason="this kernel forbids io_uring")
def test_what_came_of_each_program_is_told_and_stored(tmp_path: Path) -> None:
    words = ("bench", "compat", "--only", "io_uring", "--only", "shell", "--json", "--out", str(tmp_path))
    argv = [sys.executable, "-m", "transship", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    stored = kept(tmp_path)
    assert [(each.subject.program, each.subject.mode, each.verdict, each.source) for each in stored] == [
        ("io_uring", "live", "refused", ""),
        ("io_uring", "post-copy", "refused", ""),
        ("io_uring", "address", "refused", ""),
        ("shell", "live", "works", None),
        ("shell", "post-copy", "works", None),
    ], done.stderr
    assert "io_uring" in stored[0].reason
    assert stored[0].subject.versions.program.startswith("3.")
    told = json.loads(done.stdout)["tried"]
    assert [each["subject"]["begun"] for each in told] == [each.subject.begun for each in stored]
