from collections.abc import Sequence
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

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
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
Manager = Annotated[str, typer.Option(metavar="HOST", help="A manager of the swarm; by default the context in use.")]
At = Annotated[
    list[str] | None, typer.Option(metavar="NODE=HOST", help="How a node is reached, if not as ssh://NODE; repeatable.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Accept the warnings of the plan.")]


class MethodChoice(StrEnum):
    """The words of --method."""

    CONSTRAINT = "constraint"
    DRAIN = "drain"


class ImageChoice(StrEnum):
    """The words of --image."""

    SEND = "send"
    PULL = "pull"


class ServiceBindsChoice(StrEnum):
    """The words of --binds."""

    FAIL = "fail"
    EXPECT = "expect"


swarm_app = typer.Typer(no_args_is_help=True, help=HELP)


@swarm_app.command("move")
def move_command(  # noqa: PLR0913 - the words of the command
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name or id.")],
    *,
    to: Annotated[str, typer.Option(metavar="NODE", help="The node, by hostname or id.")],
    method: Annotated[
        MethodChoice, typer.Option(help="constraint: pin it to the node; drain: empty the node where it runs.")
    ] = MethodChoice.CONSTRAINT,
    source: Annotated[str, typer.Option("--from", metavar="NODE", help="Move the tasks of this node only.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Move the tasks of every node.")] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="For this update: all tasks at once, no delay, no watching afterwards.")
    ] = False,
    start_first: Annotated[
        bool, typer.Option("--start-first", help="For this update: start the new task before the old one ends.")
    ] = False,
    unpin: Annotated[
        bool, typer.Option("--unpin", help="Take the constraint away when the service has arrived.")
    ] = False,
    image: Annotated[
        ImageChoice, typer.Option(help="send: bring what the node lacks over SSH first; pull: the node pulls.")
    ] = ImageChoice.SEND,
    binds: Annotated[
        ServiceBindsChoice, typer.Option(help="expect: bind-mounted paths are on the target, with their data.")
    ] = ServiceBindsChoice.FAIL,
    replace_data: Annotated[
        bool, typer.Option("--replace-data", help="Overwrite what the target has in volumes of the same name.")
    ] = False,
    verify: Annotated[VerifyChoice, typer.Option(help="Of volumes; full: contents as well.")] = VerifyChoice.META,
    max_downtime: Annotated[
        str, typer.Option(metavar="TIME", help="Budget for copying volumes after the stop: 500ms, 1s.")
    ] = "1s",
    limit_rate: Annotated[str, typer.Option(metavar="RATE", help="Of what is copied before it: 20MiB/s.")] = "",
    timeout: Annotated[str, typer.Option(metavar="TIME", help="How long the tasks may take to run there.")] = "2m",
    probe: Annotated[str, typer.Option(metavar="PROBE", help="tcp:PORT or http:PORT/PATH; or none.")] = "none",
    manager: Manager = "",
    at: At = None,
    only_plan: Annotated[bool, typer.Option("--plan", help="Say what would be done; touch nothing.")] = False,
    as_json: AsJson = False,
    yes: Yes = False,
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
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name or id.")],
    *,
    manager: Manager = "",
    as_json: AsJson = False,
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
    manager: Manager = "",
    at: At = None,
    as_json: AsJson = False,
    yes: Yes = False,
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
    manager: Manager = "",
    at: At = None,
    as_json: AsJson = False,
    yes: Yes = False,
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


def _move(context: typer.Context, journey: "ServiceJourney", options: "SwarmOptions", words: tuple[bool, bool]) -> None:
    from transship.cli import output, swarm_output  # noqa: PLC0415 - see above
    from transship.swarm import api  # noqa: PLC0415

    as_json, yes = words
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
