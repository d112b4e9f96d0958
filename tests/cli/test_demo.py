"""`make demo` shows what it says."""

import re
import subprocess
import sys

import pytest

from transship.cli.demo import KEEPS_FILES, SHOWN

pytestmark = pytest.mark.lab


def test_the_demo_moves_with_every_strategy_that_it_shows() -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "transship.cli.demo"], capture_output=True, text=True, check=False, timeout=600
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    found = dict(re.findall(r"(\S+) +stood at \d+ when .*: (kept|begun anew)\n", demo.stdout))
    assert found == {each: "kept" if each in KEEPS_FILES else "begun anew" for each in SHOWN}
