"""The record in its three copies, where this process slept and others went on meanwhile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from tests.custody import record
from transship import ledger as ledgers
from transship.errors import EndedError, LockedError, NeedsRecoveryError, TransferError
from transship.hosts.base import Host
from transship.hosts.fake import FakeHost
from transship.hosts.keeper import Side
from transship.journal.store import Journal
from transship.ledger import Ledger, Post
from transship.plan.record import Stage

ID = record().id


class HostFiles:
    """What keepers of one host have on its disk, and the keepers that were started there."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.keepers: list[Written] = []


class Written:
    """A keeper in memory, as far as a ledger can tell: what it is told is on its host's disk."""

    def __init__(self, host: str, files: HostFiles) -> None:
        self.host = host
        self.lost = ""
        self._files = files
        files.keepers.append(self)

    def keep(self, stored: Any, side: Side, locks: Sequence[str], patience_s: float = 0.0) -> None:
        there = self._files.stored.get(stored["id"], stored)
        if there["stage"] == "ended" != stored["stage"]:
            raise EndedError("it has ended")
        self.write(stored)

    def end(self, outcome: str) -> None:
        raise TransferError(f"this keeper is not on duty, so it cannot end as {outcome}")

    def hear(self) -> None:
        if self.lost:
            raise TransferError(self.lost)

    def write(self, stored: Any) -> None:
        self.hear()
        self._files.stored[stored["id"]] = stored

    def records(self) -> list[Any]:
        return [{"file": id_, "record": each, "held": False} for id_, each in self._files.stored.items()]

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> dict[str, HostFiles]:
    found = {"old": HostFiles(), "new": HostFiles()}

    def start(host: Host, _root: str) -> Written:
        return Written(host.name, found[host.name])

    monkeypatch.setattr(ledgers, "start_keeper", start)
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "state") as opened:
        yield opened


def slept(journal: Journal, hosts: dict[str, HostFiles], left: dict[str, Stage]) -> Ledger:
    """A ledger at `released` whose keepers are gone; they, or others, have `left` these stages on the hosts."""
    posts: dict[Side, Post] = {
        "source": Post(FakeHost("old"), "root", ()),
        "target": Post(FakeHost("new"), "root", ()),
    }
    found = Ledger(record(), journal, posts)
    found.claim()
    found.advance("released")
    for name, files in hosts.items():
        files.keepers[-1].lost = "nothing was heard"
        files.stored[ID] = {**files.stored[ID], "stage": left.get(name, "released")}
    return found


def test_what_is_on_a_host_is_known_here_and_a_refusal_ends_it(
    journal: Journal, hosts: dict[str, HostFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_keeper: Written, stored: Any, side: Side, locks: Sequence[str], patience_s: float = 0.0) -> None:
        assert [each.record.id for each in journal.open_()] == [ID]
        raise LockedError("a move of web is under way on new")

    monkeypatch.setattr(Written, "keep", refuse)
    with pytest.raises(LockedError):
        Ledger(record(), journal, {"target": Post(FakeHost("new"), "root", ())}).claim()
    assert journal.open_() == []
    (entry,) = journal.history(10)
    assert (entry.record.outcome, entry.record.detail) == ("refused", "a move of web is under way on new")


def test_nothing_is_handed_over_to_a_target_that_is_gone(journal: Journal, hosts: dict[str, HostFiles]) -> None:
    posts: dict[Side, Post] = {
        "source": Post(FakeHost("old"), "root", ()),
        "target": Post(FakeHost("new"), "root", ()),
    }
    found = Ledger(record(), journal, posts)
    found.claim()
    found.advance("stopping")
    hosts["new"].keepers[-1].lost = "it ended"
    with pytest.raises(TransferError, match="it ended"):
        found.advance("released")
    assert hosts["old"].stored[ID]["stage"] == found.record.stage == "stopping"


@pytest.mark.parametrize("stage", ["forward", "committed"])
def test_a_target_that_has_served_by_itself_is_not_taken_back(
    journal: Journal, hosts: dict[str, HostFiles], stage: Stage
) -> None:
    with pytest.raises(NeedsRecoveryError, match="new serves by itself"):
        slept(journal, hosts, {"new": stage}).revoke()
    assert hosts["new"].stored[ID]["stage"] == stage


def test_a_target_that_never_started_is_taken_back_and_would_not_start_meanwhile(
    journal: Journal, hosts: dict[str, HostFiles]
) -> None:
    slept(journal, hosts, {}).revoke()
    assert hosts["new"].stored[ID]["stage"] == "fenced"


@pytest.mark.parametrize("side", ["revoke", "reclaim"])
def test_who_slept_while_somebody_else_ended_it_does_nothing_any_more(
    journal: Journal, hosts: dict[str, HostFiles], side: str
) -> None:
    found = slept(journal, hosts, {"old": "ended", "new": "ended"})
    with pytest.raises(EndedError):
        getattr(found, side)()
    assert {each.stored[ID]["stage"] for each in hosts.values()} == {"ended"}


def test_a_source_that_its_keeper_has_brought_back_is_known(journal: Journal, hosts: dict[str, HostFiles]) -> None:
    assert slept(journal, hosts, {"old": "restored"}).reclaim()
