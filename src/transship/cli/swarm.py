from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from transship.cli import swarm_words as words
from transship.cli.say import confirmed
from transship.cli.settings import settings
from transship.cli.words import VerifyChoice

if TYPE_CHECKING:
    from transship.plan.findings import Finding
    from transship.swarm.api import ServiceJourney
    from transship.swarm.options import SwarmOptions
    from transship.swarm.reach import Reach

HELP = """Move what a Docker Swarm owns: Swarm does it, transship prepares it, watches it, and leads back.

A manager of the swarm is the Docker context in use, or --manager HOST. Nodes are reached over SSH by their hostnames,
or as --at NODE=HOST says.
"""
swarm_app = typer.Typer(no_args_is_help=True, help=HELP)


@swarm_app.command("move")
def move_command(  # noqa: PLR0913 - the words of the command
    context: typer.Context,
    service: words.ServiceName,
    *,
    to: words.To,
    method: words.Method = words.MethodChoice.CONSTRAINT,
    source: words.Source = "",
    everything: words.Everything = False,
    fast: words.Fast = False,
    start_first: words.StartFirst = False,
    unpin: words.Unpin = False,
    image: words.Image = words.ImageChoice.SEND,
    binds: words.Binds = words.ServiceBindsChoice.FAIL,
    replace_data: words.ReplaceData = False,
    verify: words.Verify = VerifyChoice.META,
    max_downtime: words.MaxDowntime = "1s",
    limit_rate: words.LimitRate = "",
    timeout: words.Timeout = "2m",
    probe: words.ProbeWord = "none",
    manager: words.Manager = "",
    at: words.At = None,
    only_plan: words.OnlyPlan = False,
    as_json: words.AsJson = False,
    yes: words.Yes = False,
) -> None:
    """Move a service's tasks to a node.

    Examples:
      transship swarm move web --to h2 --plan
      transship swarm move web --to h2 --fast --start-first
      transship swarm move web --to h3 --method drain --manager ssh://root@h1 --at h3=ssh://root@10.0.0.3

    Exit codes:
      0  the tasks run on the node
      2  wrong words
      3  a finding forbids it, or a host cannot be used; nothing was touched
      4  failed; the service runs where it ran, as it was
      6  cut off: transship status says how it stands

    """
    from transship.metrics.downtime import Probe  # noqa: PLC0415 - Docker's SDK takes a while, and --help must not wait
    from transship.plan.options import bytes_per_second, seconds  # noqa: PLC0415
    from transship.swarm import api  # noqa: PLC0415
    from transship.swarm.options import SwarmOptions as Options  # noqa: PLC0415

    options = Options(
        method=method.value,
        source=source,
        everything=everything,
        fast=fast,
        start_first=start_first,
        image=image.value,
        binds=binds.value,
        unpin=unpin,
        replace_data=replace_data,
        verify=verify.value,
        max_downtime_s=seconds(max_downtime),
        limit_rate=bytes_per_second(limit_rate) if limit_rate else 0.0,
        timeout_s=seconds(timeout),
        probe=None if probe == "none" else Probe.parse(probe),
    )
    journey = api.ServiceJourney(service, to, _reach(context, manager, at))
    if only_plan:
        _plan(context, journey, options, as_json=as_json)
    else:
        _move(context, journey, options, (as_json, yes))


@swarm_app.command("unpin")
def unpin_command(
    context: typer.Context,
    service: words.ServiceName,
    *,
    manager: words.Manager = "",
    as_json: words.AsJson = False,
) -> None:
    """Take away the constraints that moves have left on a service. No task is restarted.

    For example: transship swarm unpin web

    Exit codes:
      0  they are gone
      2  wrong words
      3  there are none, a move is under way, or it could leave its data

    """
    from transship.cli import output  # noqa: PLC0415 - see above
    from transship.cli.say import say  # noqa: PLC0415
    from transship.swarm import api  # noqa: PLC0415

    gone = api.unpin(service, _reach(context, manager, None))
    if as_json:
        output.print_json({"outcome": "unpinned", "service": service, "constraints": list(gone)})
    else:
        say(f"{service} no longer has {', '.join(gone)}")


@swarm_app.command("adopt")
def adopt_command(  # noqa: PLR0913 - the words of the command
    context: typer.Context,
    container: Annotated[str, typer.Argument(metavar="CONTAINER", help="A running container on a node.")],
    *,
    on: Annotated[
        str, typer.Option(metavar="NODE|HOST", help="Where it runs: a node's name or an address; else the manager.")
    ] = "",
    manager: words.Manager = "",
    at: words.At = None,
    as_json: words.AsJson = False,
    yes: words.Yes = False,
) -> None:
    """Make a service of an ordinary container, on its node. What Swarm has no word for is listed, and asked about.

    Examples:
      transship swarm adopt web
      transship swarm adopt web --on h2
      transship swarm adopt web --on ssh://root@h2 --manager ssh://root@h1

    Exit codes:
      0  it is a service; the old container stays, stopped and renamed
      2  wrong words
      3  it cannot be, Swarm refuses it, or nobody agreed; nothing was touched
      4  the service did not come up; the container runs as before
      6  cut off: transship status says how it stands, transship recover ends it

    """
    from transship.swarm import exchanges  # noqa: PLC0415 - see above

    with _Asking(context, yes=yes, machine=as_json) as asking:
        done = exchanges.adopt(
            container, _reach(context, manager, at), on, agreed=asking.agreed, listener=asking.progress.show
        )
    said = f"{done.name} is a service on {done.node} now; the old container is {done.left}, stopped"
    asking.end(done.to_json() if as_json else said)


@swarm_app.command("release")
def release_command(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="A service with one task, by name or id.")],
    *,
    manager: words.Manager = "",
    at: words.At = None,
    as_json: words.AsJson = False,
    yes: words.Yes = False,
) -> None:
    """Make an ordinary container of a service, on its node. Configs and secrets stay inside the swarm: then refused.

    What a container cannot keep is listed, and asked about: at least what the task wrote into its own filesystem.

    Examples:
      transship swarm release web --yes
      transship swarm release web --manager ssh://root@h1 --at h2=ssh://root@10.0.0.2

    Exit codes:
      0  it is a container; the service is gone
      2  wrong words
      3  it cannot be, or nobody agreed; nothing was touched
      4  the container did not come up; the service runs as before
      5  it is a container, but the service, without tasks, could not be removed
      6  cut off: transship status says how it stands, transship recover ends it

    """
    from transship.swarm import exchanges  # noqa: PLC0415 - see above

    with _Asking(context, yes=yes, machine=as_json) as asking:
        done = exchanges.release(
            service, _reach(context, manager, at), agreed=asking.agreed, listener=asking.progress.show
        )
    asking.end(done.to_json() if as_json else f"{done.name} is an ordinary container on {done.node} now")


class _Asking:
    """A terminal that shows progress, and where somebody can be asked."""

    def __init__(self, context: typer.Context, *, yes: bool, machine: bool = False) -> None:
        from transship.cli import output  # noqa: PLC0415 - see above

        self._yes = yes
        self.screen = output.console(settings(context), machine=machine)
        self.progress = output.Progress(settings(context))

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.__exit__(kind, error, trace)

    def agreed(self, findings: "Sequence[Finding]") -> bool:
        """Show the findings, and ask where there is something to be warned of."""
        from transship.cli import output  # noqa: PLC0415 - see above
        from transship.plan.findings import no_warnings  # noqa: PLC0415

        with self.progress.paused():
            output.print_findings(self.screen, findings)
            return self._yes or no_warnings(findings) or (self.screen.is_interactive and confirmed())

    def end(self, said: "str | dict[str, Any]") -> None:
        """Print a line, or an object for a machine."""
        from transship.cli import output  # noqa: PLC0415 - see above

        if isinstance(said, str):
            self.screen.print(output.line(said), soft_wrap=True)
        else:
            output.print_json(said)


def _plan(context: typer.Context, journey: "ServiceJourney", options: "SwarmOptions", *, as_json: bool) -> None:
    from transship.cli import output, swarm_output  # noqa: PLC0415 - see above
    from transship.swarm import api  # noqa: PLC0415

    made = api.plan(journey, options)
    if as_json:
        output.print_json(swarm_output.plan_as_json(made))
    else:
        swarm_output.print_plan(output.console(settings(context)), made)
    if api.forbidden(made):
        raise typer.Exit(3)


def _move(context: typer.Context, journey: "ServiceJourney", options: "SwarmOptions", said: tuple[bool, bool]) -> None:
    from transship.cli import output, swarm_output  # noqa: PLC0415 - see above
    from transship.swarm import api  # noqa: PLC0415

    as_json, yes = said
    with _Asking(context, yes=yes, machine=as_json) as asking:
        result = api.move(journey, options, agreed=asking.agreed, listener=asking.progress.show)
    if as_json:
        output.print_json(result.to_json())
    else:
        swarm_output.print_result(asking.screen, result)


def _reach(context: typer.Context, manager: str, at: list[str] | None) -> "Reach":
    from transship.hosts.contexts import default_source  # noqa: PLC0415 - see above
    from transship.swarm.reach import Reach, parse_at  # noqa: PLC0415

    chosen = settings(context)
    return Reach(manager or default_source(), parse_at(at or []), chosen.ssh_config, chosen.state_dir)
