import json
from dataclasses import replace

import pytest

from tests.plan.observed import SEEN, seen
from transship.cli.output import console
from transship.cli.plan_output import plan_as_json, print_plan
from transship.cli.settings import Settings
from transship.plan.options import MoveOptions
from transship.strategies.choose import choose

WROTE = choose(seen(state={"changed_paths": 3}), MoveOptions(), "0badcafe")


def printed(capsys: pytest.CaptureFixture[str], plan: object = WROTE) -> list[str]:
    print_plan(console(Settings(None, verbose=False, color=False)), plan)  # type: ignore[arg-type]
    return capsys.readouterr().out.splitlines()


def test_people_see_every_strategy_with_its_verdict_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys)
    assert lines[0].startswith("strategy sync: the container has written 3 paths")
    rows = {line.split()[0]: line for line in lines[2:5]}
    assert list(rows) == ["stop-start", "export-import", "sync"]
    assert "with a loss" in rows["stop-start"]
    assert "chosen" in rows["sync"]
    assert " s (" in rows["sync"]
    assert rows["sync"].endswith(" MB")
    assert any(line.startswith("  not stop-start: web has changed 3 paths") for line in lines)
    assert "the service is interrupted:" in lines


def test_what_is_not_known_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    unmeasured = choose(replace(SEEN, link=None), MoveOptions(strategy="export-import"), "0badcafe")
    (row,) = (line for line in printed(capsys, unmeasured) if line.startswith("export-import"))
    assert row.count("unknown") == 2


def test_machines_get_one_object_with_the_same() -> None:
    told = json.loads(json.dumps(plan_as_json(WROTE)))
    assert set(told) == {"strategy", "reason", "predicted", "strategies", "steps", "findings"}
    assert [each["verdict"] for each in told["strategies"]] == ["lossy", "possible", "chosen"]
    assert told["predicted"] == told["strategies"][2]["predicted"]
    assert set(told["predicted"]["total_s"]) == {"low", "likely", "high"}
    assert told["steps"]["cutover"][0] == "keep the source from restarting by itself"
