from io import StringIO

from rich.console import Console

from tests.swarm.told import H2, H3, record, route, seen
from transship.cli import service_reports, swarm_output
from transship.swarm.checks import check
from transship.swarm.journal import ServiceEntry
from transship.swarm.options import SwarmOptions
from transship.swarm.plan import ServicePlan, plan_move
from transship.swarm.recovery import ServiceSeen, decide
from transship.swarm.result import ServiceResult
from transship.swarm.route import find_route
from transship.swarm.timeline import Span


def screen() -> tuple[Console, StringIO]:
    text = StringIO()
    return Console(file=text, width=200, highlight=False), text


def result() -> ServiceResult:
    spans = (Span("stop", 0.0, 1.2), Span("prepare", 0.1, 0.2), Span("start", 1.3, 0.5))
    return ServiceResult(
        migration="0a1b2c3d", service="web", method="constraint", outcome="moved", source="h2", target="h3", tasks=1,
        total_s=8.25, gap_s=0.61, spans=spans, states=(), phases=(), bytes={"image": 5_000_000, "volumes": 0},
        verified=("image",), findings=(),
    )  # fmt: skip


def test_a_move_is_a_sentence_and_where_the_time_went() -> None:
    out, text = screen()
    swarm_output.print_result(out, result())
    said = text.getvalue()
    assert "web: its task moved from h2 to h3 in 8.25 s; neither ran for 0.61 s." in said
    assert "Crossed over SSH: 5.0 MB of image." in said
    for word in ("stop", "prepare", "start", "1.20 s", "its grace period is in this"):
        assert word in said
    assert result().to_json()["spans"][0] == {"name": "stop", "start_s": 0.0, "seconds": 1.2}


def test_a_plan_is_its_steps_in_order_and_the_findings() -> None:
    swarm = seen()
    made = plan_move(swarm, find_route(swarm, SwarmOptions()), SwarmOptions())
    assert made == ServicePlan(swarm, made.route, made.options, check(swarm, made.route, made.options), made.steps)
    assert (made.route.source, made.route.target) == (H2, H3)
    out, text = screen()
    swarm_output.print_plan(out, made)
    lines = text.getvalue().splitlines()
    assert lines[0].strip() == "1. claim web with a label"
    assert "from h2 to h3, stop-first" in lines[1]
    told = swarm_output.plan_as_json(made)
    assert (told["source"], told["target"], told["tasks"]) == ("h2", "h3", ["t1"])
    assert route(swarm).tasks == made.route.tasks


def test_status_and_history_tell_of_services() -> None:
    out, text = screen()
    status = decide(record(), ServiceSeen(present=True, claimed=True, changed=True, arrived=True))
    service_reports.print_status(out, [status])
    service_reports.print_history(out, [ServiceEntry(record(outcome="moved", stage="ended"), {"total_s": 8.2}, "x")])
    said = text.getvalue()
    assert "0a1b2c3d: service web from h2 to h3" in said
    assert "puts back what was changed" in said
    assert "moved, 8.2 s" in said
    told = service_reports.status_as_json(status)
    assert (told["service"], told["would"], told["stage"]) == ("web", "finish", "claimed")
