from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from transship.cli.settings import Settings, settings

if TYPE_CHECKING:
    from transship.api import Journey
    from transship.plan.options import MoveOptions
    from transship.plan.steps import Plan


class StrategyChoice(StrEnum):
    """The words of --strategy."""

    AUTO = "auto"
    STOP_START = "stop-start"
    EXPORT_IMPORT = "export-import"


class BindsChoice(StrEnum):
    """The words of --binds."""

    FAIL = "fail"
    EXPECT = "expect"
    SKIP = "skip"


class SourceChoice(StrEnum):
    """The words of --source."""

    KEEP = "keep"
    REMOVE = "remove"


class VerifyChoice(StrEnum):
    """The words of --verify."""

    META = "meta"
    FULL = "full"


Container = Annotated[str, typer.Argument(metavar="CONTAINER", help="Name or id on the source.")]
To = Annotated[str, typer.Option("--to", metavar="HOST", help="Docker context, ssh://[USER@]HOST[:PORT], or local.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="HOST", help="The same; by default where the docker command works.")
]
Strategy = Annotated[StrategyChoice, typer.Option(help="How to move; auto chooses and says why.")]
Name = Annotated[str, typer.Option(metavar="NEW", help="Another name on the target.")]
Source = Annotated[SourceChoice, typer.Option(help="keep: stopped, fenced and renamed. Volumes stay in both cases.")]
Binds = Annotated[
    BindsChoice,
    typer.Option(help="Bind mounts: fail stops the move, expect takes the path to be on the target, skip drops them."),
]
WithoutVolumes = Annotated[bool, typer.Option("--without-volumes", help="Start with empty volumes on the target.")]
Verify = Annotated[VerifyChoice, typer.Option(help="meta: owners, modes, sizes; full: contents as well.")]
ProbeText = Annotated[
    str, typer.Option("--probe", metavar="PROBE", help="tcp:PORT or http:PORT/PATH, a published port; or none.")
]
HealthTimeout = Annotated[str, typer.Option(metavar="TIME", help="How long the container may take to serve: 60s, 2m.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Accept the warnings of the plan.")]


def plan_command(  # noqa: PLR0913 - a command's options are what they are
    context: typer.Context,
    container: Container,
    *,
    to: To,
    source_host: From = None,
    strategy: Strategy = StrategyChoice.AUTO,
    name: Name = "",
    source: Source = SourceChoice.KEEP,
    binds: Binds = BindsChoice.FAIL,
    without_volumes: WithoutVolumes = False,
    verify: Verify = VerifyChoice.META,
    probe: ProbeText = "none",
    health_timeout: HealthTimeout = "60s",
    as_json: AsJson = False,
) -> None:
    """Say what a move would do, and what is in its way. Touches nothing.

    For example: transship plan web --to ssh://root@new.example.org

    Exit codes: 0 the move is possible; 2 wrong words; 3 a finding forbids it, or a host cannot be used.
    """
    wanted = _Words(strategy, name, source, binds, without_volumes, verify, probe, health_timeout).options()
    _run_plan(settings(context), _Trip(container, source_host, to), wanted, as_json=as_json)


def move_command(  # noqa: PLR0913 - a command's options are what they are
    context: typer.Context,
    container: Container,
    *,
    to: To,
    source_host: From = None,
    strategy: Strategy = StrategyChoice.AUTO,
    name: Name = "",
    source: Source = SourceChoice.KEEP,
    binds: Binds = BindsChoice.FAIL,
    without_volumes: WithoutVolumes = False,
    verify: Verify = VerifyChoice.META,
    probe: ProbeText = "none",
    health_timeout: HealthTimeout = "60s",
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Move a container, and show what it took.

    For example: transship move web --to ssh://root@new.example.org --probe http:8080/

    Exit codes: 0 moved and proven healthy; 2 wrong words; 3 a finding forbids it or a host cannot be used, nothing was
    touched; 4 failed and rolled back, the source runs again; 5 moved, but the source could not be retired; 6 cut off,
    what runs where must be looked at.
    """
    wanted = _Words(strategy, name, source, binds, without_volumes, verify, probe, health_timeout).options()
    _run_move(settings(context), _Trip(container, source_host, to), wanted, as_json=as_json, yes=yes)


@dataclass(frozen=True, slots=True)
class _Trip:
    container: str
    source: str | None
    target: str

    def journey(self, chosen: Settings) -> "Journey":
        from transship.api import Journey  # noqa: PLC0415
        from transship.hosts.contexts import default_source  # noqa: PLC0415

        return Journey(self.container, self.target, self.source or default_source(), chosen.ssh_config)


@dataclass(frozen=True, slots=True)
class _Words:
    """The options as they were typed."""

    strategy: StrategyChoice
    name: str
    source: SourceChoice
    binds: BindsChoice
    without_volumes: bool
    verify: VerifyChoice
    probe: str
    health_timeout: str

    def options(self) -> "MoveOptions":
        """Raises `UsageError` for a probe or a time that is none."""
        from transship.metrics.downtime import Probe  # noqa: PLC0415 - --help must not wait for it
        from transship.plan.options import MoveOptions, seconds  # noqa: PLC0415

        return MoveOptions(
            strategy=self.strategy.value,
            name=self.name,
            source=self.source.value,
            binds=self.binds.value,
            without_volumes=self.without_volumes,
            verify=self.verify.value,
            probe=None if self.probe == "none" else Probe.parse(self.probe),
            health_timeout_s=seconds(self.health_timeout),
        )


def _run_plan(chosen: Settings, trip: _Trip, options: "MoveOptions", *, as_json: bool) -> None:
    from transship import api  # noqa: PLC0415 - Docker's SDK takes a while to import, and --help must not wait for it
    from transship.cli import output  # noqa: PLC0415

    made = api.plan(trip.journey(chosen), options)
    if as_json:
        output.print_json(output.plan_as_json(made))
    else:
        output.print_plan(output.console(chosen), made)
    if api.forbidden(made):
        raise typer.Exit(3)


def _run_move(chosen: Settings, trip: _Trip, options: "MoveOptions", *, as_json: bool, yes: bool) -> None:
    from transship import api  # noqa: PLC0415
    from transship.cli import output  # noqa: PLC0415

    screen = output.console(chosen, machine=as_json)
    with output.Progress(chosen) as progress:

        def agreed(plan: "Plan") -> bool:
            with progress.paused():
                output.print_findings(screen, plan.findings)
                return yes or api.no_warnings(plan) or (screen.is_interactive and typer.confirm("Go on?", err=True))

        result = api.move(trip.journey(chosen), options, agreed=agreed, listener=progress.show)
    if as_json:
        output.print_json(result.to_json())
    else:
        output.print_result(screen, result)
