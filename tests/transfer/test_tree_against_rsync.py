"""The same random trees and changes, moved by rounds and by rsync: the results are equal in every attribute."""

import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.changes import CHANGES, Change, apply
from tests.agent.local_pair import ROOT, attributes, local_pair, opened
from transship.transfer.relay import AgentPair

pytestmark = [
    pytest.mark.skipif(not ROOT, reason="owners, devices and trusted attributes need root"),
    pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is what it is compared with"),
]
_numbers = count()


@pytest.fixture(scope="module")
def pair() -> Iterator[AgentPair]:
    with local_pair() as agents:
        yield agents


def rsync(source: Path, target: Path) -> None:
    """`-I`: the random changes keep sizes and times, which rsync takes for no change. Its times are whole seconds."""
    subprocess.run(
        ["rsync", "-aHAXSI", "--modify-window=-1", "--numeric-ids", "--delete", f"{source}/", f"{target}/"],
        check=True,
        capture_output=True,
    )


@settings(
    max_examples=320,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    rounds=st.lists(st.lists(CHANGES, max_size=25), min_size=2, max_size=3),
    before=st.lists(CHANGES, max_size=8),
    contents=st.sampled_from([None, None, False, True]),
)
def test_rounds_give_what_rsync_gives(
    pair: AgentPair, tmp_path: Path, rounds: list[list[Change]], before: list[Change], contents: bool | None
) -> None:
    number = next(_numbers)
    folder = tmp_path / str(number)
    source, target, reference = folder / "source", folder / "target", folder / "reference"
    for made in (source, target, reference):
        made.mkdir(parents=True)
    tree = opened(pair, source, target, number)
    apply(rounds[0], source)
    if contents is not None:
        # What an interrupted move, or an earlier one, left on the target.
        rsync(source, target)
        apply(before, target)
        tree.adopt(contents=contents)
    for changes in rounds[1:]:
        tree.round(last=True)  # nobody writes while it runs: there is no need to sync the disk of this machine first
        apply(changes, source)
    report = tree.round(last=True)
    assert report.changed_during == 0
    assert attributes(target) == attributes(source)
    rsync(source, reference)
    assert attributes(target) == attributes(reference)
    tree.verify()
    tree.verify(full=True)
    shutil.rmtree(folder)
