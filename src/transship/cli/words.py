"""The options that `plan` and `move` share, as they are typed."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from transship.cli.settings import settings

if TYPE_CHECKING:
    from transship.api import Journey
    from transship.plan.options import MoveOptions


class StrategyChoice(StrEnum):
    """The words of --strategy."""

    AUTO = "auto"
    STOP_START = "stop-start"
    EXPORT_IMPORT = "export-import"
    SYNC = "sync"
    LIVE = "live"


class BindsChoice(StrEnum):
    """The words of --binds."""

    FAIL = "fail"
    COPY = "copy"
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


class PathChoice(StrEnum):
    """The words of --path."""

    RELAY = "relay"
    DIRECT = "direct"
    AUTO = "auto"


class PreferChoice(StrEnum):
    """The words of --prefer."""

    DOWNTIME = "downtime"
    TOTAL = "total"
    BYTES = "bytes"
    SIMPLICITY = "simplicity"


PATH = (
    "sync: the way of the data. relay: through this machine; direct: the source logs in to the target with your "
    "ssh-agent, which is forwarded to it meanwhile; auto: direct where it works."
)
HOST = "Docker context, ssh://[USER@]HOST[:PORT], or local."
BINDS = (
    "Bind mounts: fail stops the move, copy takes them along (sync), expect uses what the target has, skip drops them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveWords:
    """What a user says of a move."""

    container: Annotated[str, typer.Argument(metavar="CONTAINER", help="Name or id on the source.")]
    to: Annotated[str, typer.Option("--to", metavar="HOST", help=HOST)]
    source_host: Annotated[
        str | None, typer.Option("--from", metavar="HOST", help="The same; by default where the docker command works.")
    ] = None
    strategy: Annotated[StrategyChoice, typer.Option(help="How to move; auto chooses and says why.")] = (
        StrategyChoice.AUTO
    )
    prefer: Annotated[
        PreferChoice,
        typer.Option(
            help="What auto chooses by: the shortest interruption, or time in all, the fewest bytes, or the "
            "strategy that asks least of the hosts."
        ),
    ] = PreferChoice.DOWNTIME
    max_downtime: Annotated[
        str,
        typer.Option(metavar="TIME", help="sync: the budget for the copy after the stop; asks before exceeding it."),
    ] = "1s"
    limit_rate: Annotated[
        str, typer.Option(metavar="RATE", help="sync: how fast to copy while the source serves: 20MiB/s.")
    ] = ""
    binds: Annotated[BindsChoice, typer.Option(help=BINDS)] = BindsChoice.FAIL
    without_volumes: Annotated[
        bool, typer.Option("--without-volumes", help="Start with empty volumes on the target.")
    ] = False
    replace_data: Annotated[
        bool,
        typer.Option(
            "--replace-data", help="sync: overwrite what the target has in volumes and mounted folders of that name."
        ),
    ] = False
    shared_volumes: Annotated[
        bool, typer.Option("--shared-volumes", help="sync: copy volumes that other running containers use as well.")
    ] = False
    freeze: Annotated[
        bool,
        typer.Option(
            "--freeze",
            help="sync: freeze the source instead of stopping it, and kill it when the target serves, which starts as "
            "after a power cut: for software that survives one.",
        ),
    ] = False
    post_copy: Annotated[
        bool,
        typer.Option(
            "--post-copy",
            help="live: the processes go on before their memory has come; losing a host until it has loses them.",
        ),
    ] = False
    forward: Annotated[
        bool,
        typer.Option(
            "--forward",
            help="Leave a forwarder on the source's published ports, so that old addresses keep working until "
            "transship forward ID --stop.",
        ),
    ] = False
    path: Annotated[PathChoice, typer.Option(help=PATH)] = PathChoice.RELAY
    verify: Annotated[VerifyChoice, typer.Option(help="meta: owners, modes, sizes; full: contents as well.")] = (
        VerifyChoice.META
    )
    probe: Annotated[
        str, typer.Option(metavar="PROBE", help="tcp:PORT or http:PORT/PATH, a published port; or none.")
    ] = "none"
    health_timeout: Annotated[
        str, typer.Option(metavar="TIME", help="How long the container may take to serve: 60s, 2m.")
    ] = "60s"
    name: Annotated[str, typer.Option(metavar="NEW", help="Another name on the target.")] = ""
    source: Annotated[
        SourceChoice, typer.Option(help="keep: stopped, fenced and renamed. Volumes stay in both cases.")
    ] = SourceChoice.KEEP

    def journey(self, context: typer.Context) -> "Journey":
        """Which container goes where. Raises `UsageError` where Docker's configuration cannot be read."""
        from transship.api import Journey  # noqa: PLC0415 - Docker's SDK takes a while, and --help must not wait for it
        from transship.hosts.contexts import default_source  # noqa: PLC0415

        chosen = settings(context)
        source = self.source_host or default_source()
        return Journey(self.container, self.to, source, chosen.ssh_config, state=chosen.state_dir)

    def options(self) -> "MoveOptions":
        """Raises `UsageError` for a probe, a time or a rate that is none."""
        from transship.metrics.downtime import Probe  # noqa: PLC0415 - see above
        from transship.plan.options import MoveOptions, bytes_per_second, seconds  # noqa: PLC0415

        return MoveOptions(
            strategy=self.strategy.value,
            name=self.name,
            source=self.source.value,
            binds=self.binds.value,
            without_volumes=self.without_volumes,
            verify=self.verify.value,
            probe=None if self.probe == "none" else Probe.parse(self.probe),
            health_timeout_s=seconds(self.health_timeout),
            max_downtime_s=seconds(self.max_downtime),
            limit_rate=bytes_per_second(self.limit_rate) if self.limit_rate else 0.0,
            replace_data=self.replace_data,
            shared_volumes=self.shared_volumes,
            freeze=self.freeze,
            path=self.path.value,
            prefer=self.prefer.value,
            post_copy=self.post_copy,
            forward=self.forward,
        )


def takes_move_words(*but: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command, `command(context, words, …)`, have every field of `MoveWords` for an option, `but` for these."""
    shared = {each.name: each for each in fields(MoveWords) if each.name not in but}
    left_out: dict[str, Any] = {name: "" for name in but if name in _NEEDED}
    hints = get_type_hints(MoveWords, include_extras=True)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if name in _NEEDED else each.default,
            annotation=hints[name],
        )
        for name, each in shared.items()
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        first, _, *own = inspect.signature(command).parameters.values()
        positional = [each for each in own if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        named = [each for each in own if each.kind is inspect.Parameter.KEYWORD_ONLY]

        def wrapper(context: typer.Context, **said: Any) -> None:
            words = MoveWords(**{name: said.pop(name) for name in shared}, **left_out)
            command(context, words, **said)

        parameters = [first, *positional, *options, *named]
        wrapper.__doc__ = command.__doc__
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
        return wrapper

    return decorate


_NEEDED = {each.name for each in fields(MoveWords) if each.default is MISSING}
