import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.journal.records import record
from transship.cli.output import console
from transship.cli.reports import (
    entry_as_json,
    print_history,
    print_recovered,
    print_status,
    recovered_as_json,
    status_as_json,
)
from transship.cli.settings import Settings
from transship.journal.decision import Seen
from transship.journal.recovery import decide, explain
from transship.journal.store import Entry
from transship.migrations import Status
from transship.plan.record import Record
from transship.recover import Situation

DOCUMENT = Path(__file__).parents[2] / "docs" / "recovery.md"
SCREEN = console(Settings(None, verbose=False, color=False))
RUNS, STOPPED, AWAY = (
    Seen(reachable=True, present=True, state="running", ran=True),
    Seen(reachable=True, present=True, state="exited", ran=True),
    Seen(reachable=False),
)
LONG = {"low": 1000.2, "likely": 1234.5, "high": 2222.2}


def entry(**changes: Any) -> Entry:
    told: dict[str, Any] = {"ended": "2026-11-22T12:01:00+00:00", "predicted": None, "happened": None} | changes
    named = told.pop("record", record(stage="ended", outcome="moved"))
    return Entry(named, (), told["predicted"], told["happened"], "2026-11-22T12:00:00+00:00", told["ended"])


def status(named: Record, source: Seen, target: Seen, *unreached: str) -> Status:
    return Status(named, explain(named, source, target), decide(named, source, target), unreached)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_history_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    happened, predicted = ({"downtime_s": 1234.5, "total_s": 1234.5}, {"downtime_s": LONG, "total_s": LONG})
    rolled_back = record(stage="ended", outcome="rolled-back", detail="interrupted")
    print_history(
        SCREEN, [entry(happened=happened, predicted=predicted), entry(record=rolled_back, predicted=predicted)]
    )
    told = lines(capsys)
    assert max(map(len, told)) <= 80
    assert told[1].endswith("moved         1234 s (1000-2222)   1234 s (1000-2222)")
    assert told[2] == "  web from ssh://a to ssh://b, by sync"
    assert told[3].split()[3:] == ["rolled-back", "(1000-2222)", "(1000-2222)"]
    assert told[5] == "  interrupted"


def test_history_says_what_has_not_ended_and_takes_damaged_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    cut_off = record(stage="stopping")
    print_history(
        SCREEN, [entry(record=cut_off, ended="", happened={"total_s": "x"}, predicted={"total_s": {"low": 1}})]
    )
    told = lines(capsys)
    assert told[1].endswith("not ended")
    assert told[3] == "  transship status 0badcafe says what runs where"
    print_history(SCREEN, [])
    assert lines(capsys) == ["this machine has moved nothing yet"]
    assert entry_as_json(entry(record=cut_off, ended=""))["outcome"] == ""


def test_status_says_why_a_host_was_not_seen_and_what_each_choice_presumes(capsys: pytest.CaptureFixture[str]) -> None:
    found = status(record(stage="released"), STOPPED, AWAY, "cannot connect to ssh://b: it does not answer")
    print_status(SCREEN, [found])
    told = lines(capsys)
    assert "  cannot connect to ssh://b: it does not answer" in told
    at = told.index("    transship recover 0badcafe --target-is-lost")
    assert told[at + 1] == "      only if you know that ssh://b, or its disk, is gone for good"
    machine = json.loads(json.dumps(status_as_json(found)))
    assert machine["would"]["offers"] == ["--target-is-lost"]
    assert machine["unreached"] == ["cannot connect to ssh://b: it does not answer"]


def test_the_fields_for_machines_are_those_that_are_documented() -> None:
    rows = [row.split("|") for row in DOCUMENT.read_text().splitlines() if row.startswith("| `")]
    documented = {
        command: {row[1].strip(" `") for row in rows if row[2].strip() in {"all", command}}
        for command in ("status", "recover", "history")
    }
    named = record(stage="preparing")
    situation = Situation(named, RUNS, STOPPED, decide(named, RUNS, STOPPED))
    (recovered,) = recovered_as_json([situation])["migrations"]
    assert documented == {
        "status": set(status_as_json(status(named, RUNS, STOPPED))),
        "recover": set(recovered),
        "history": set(entry_as_json(entry())),
    }


def test_what_was_ended_is_told_apart_from_what_had_ended(capsys: pytest.CaptureFixture[str]) -> None:
    cut_off, ended = record(stage="preparing"), record(stage="ended", outcome="moved")
    did = [Situation(each, RUNS, STOPPED, decide(each, RUNS, STOPPED)) for each in (cut_off, ended)]
    print_recovered(SCREEN, did)
    assert [line.partition("ssh://b ")[2] for line in lines(capsys)] == [
        "was ended: ssh://b had not taken over.",
        "needed nothing: It has ended: moved.",
    ]


def test_names_from_hosts_cannot_speak_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    named = replace(record(stage="ended", outcome="moved"), detail="\x1b[31m")
    print_history(SCREEN, [entry(record=named)])
    assert "\x1b" not in capsys.readouterr().out
