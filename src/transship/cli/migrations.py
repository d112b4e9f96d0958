from typing import TYPE_CHECKING, Annotated, Literal

import typer

from transship.cli.say import confirmed, say
from transship.cli.settings import settings

if TYPE_CHECKING:
    from transship.journal.decision import Told
    from transship.migrations import Reach
    from transship.recover import Situation

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A migration, or the begin of its id.")]
AnyId = Annotated[str, typer.Argument(metavar="ID", help="A migration, or the begin of its id; all without it.")]
At = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="HOST",
        help="A host of the migration: it has a copy of the record. Where this machine did not begin it, name both.",
    ),
]
_COPIES: "dict[str, Literal['', 'source', 'target']]" = {"": "", "source": "source", "target": "target"}

SourceLost = Annotated[
    bool, typer.Option("--source-is-lost", help="You know that the source, or its disk, is gone for good.")
]
TargetLost = Annotated[
    bool, typer.Option("--target-is-lost", help="You know that the target, or its disk, is gone for good.")
]
Keep = Annotated[str, typer.Option(metavar="source|target", help="Which copy to keep, where only you can know.")]


def status_command(context: typer.Context, migration: AnyId = "", *, host: At = None, as_json: AsJson = False) -> None:
    """Say what is under way or was cut off, what runs where, and what recover would do. Changes nothing.

    Examples:
      transship status
      transship status 3f2a --json
      transship status --host ssh://root@old --host ssh://root@new

    Exit codes:
      0  all was said
      2  wrong words
      3  a host that was named, or the journal, cannot be used

    """
    from transship import migrations  # noqa: PLC0415 - Docker's SDK takes a while to import, and --help must not wait
    from transship.cli import output, reports, service_reports  # noqa: PLC0415

    reach, screen = _reach(context, host), output.console(settings(context))
    services = service_reports.found(reach, migration)
    found = [] if services and migration else migrations.status(reach, migration)
    damaged = (
        [] if migration else [*migrations.damaged(reach, ended=False), *service_reports.damaged(reach, ended=False)]
    )
    if as_json:
        told = {"migrations": [reports.status_as_json(each) for each in found], "damaged": damaged}
        output.print_json({**told, "services": [service_reports.status_as_json(each) for each in services]})
        return
    service_reports.print_status(screen, services)
    if found or not services:
        reports.print_status(screen, found)
    reports.print_damaged(screen, damaged)


def history_command(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what this machine has moved: when, how it ended, and what had been predicted.

    Examples:
      transship history --limit 5
      transship history --json

    Exit codes:
      0  all was said
      2  wrong words
      3  the journal cannot be read

    """
    from transship import migrations  # noqa: PLC0415 - see above
    from transship.cli import output, reports, service_reports  # noqa: PLC0415

    reach, screen = _reach(context, None), output.console(settings(context))
    entries, services = migrations.history(reach, limit=limit), service_reports.history(reach, limit=limit)
    damaged = [*migrations.damaged(reach), *service_reports.damaged(reach)]
    if as_json:
        told = {"migrations": [reports.entry_as_json(each) for each in entries], "damaged": damaged}
        output.print_json({**told, "services": [service_reports.entry_as_json(each) for each in services]})
        return
    service_reports.print_history(screen, services)
    if entries or not services:
        reports.print_history(screen, entries)
    reports.print_damaged(screen, damaged)


def recover_command(  # noqa: PLR0913 - the words of the command
    context: typer.Context,
    migration: AnyId = "",
    *,
    host: At = None,
    source_is_lost: SourceLost = False,
    target_is_lost: TargetLost = False,
    keep: Keep = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End what was cut off: look at both hosts, decide, say why, and act. Twice changes nothing more.

    Without ID: all that was cut off, moves of services, adoptions and releases, too. What you tell (a host that is
    lost, a copy to keep) holds for one move of a container: where there are several, say which.

    Examples:
      transship recover
      transship recover 3f2a --yes
      transship recover 3f2a --keep target
      transship recover --host ssh://root@old --host ssh://root@new

    Exit codes:
      0  nothing is left to do
      2  wrong words
      3  nobody agreed, or a host or the journal cannot be used
      4  an action failed; it may be tried again
      6  it is under way, was interrupted, or must be decided by you

    """
    _recover(context, (migration, host, yes, as_json), _told(source_is_lost, target_is_lost, keep))


def abort_command(
    context: typer.Context, migration: Id, *, host: At = None, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Take back a move that was cut off: the source serves, and the target keeps nothing of it.

    Also a move of a service, an adoption or a release: what ran before runs again.

    Examples:
      transship abort 3f2a
      transship abort 3f2a --yes --host ssh://root@old --host ssh://root@new

    Exit codes:
      0  nothing is left of it
      2  wrong words
      3  nobody agreed, the target has taken over, or a host cannot be used
      4  an action failed; it may be tried again
      6  it is under way, was interrupted, or must be decided by you

    """
    _recover(context, (migration, host, yes, as_json), None)


def _recover(context: typer.Context, words: tuple[str, list[str] | None, bool, bool], told: "Told | None") -> None:
    from transship.cli import output, reports, service_reports  # noqa: PLC0415 - see above
    from transship.errors import TransshipError  # noqa: PLC0415
    from transship.journal.decision import NOTHING_TOLD  # noqa: PLC0415

    migration, host, _, as_json = words
    said = told not in (None, NOTHING_TOLD)
    services, trouble = service_reports.recover(
        context, _reach(context, host), words, only_back=told is None, told=said
    )
    if migration and trouble:
        raise trouble
    if migration and services:
        return
    try:
        done = _recover_containers(context, words, told)
    except TransshipError:
        if trouble:
            say(f"transship: {trouble}", err=True)
        raise
    if trouble:
        raise trouble
    if as_json:
        told_services = {"services": [service_reports.status_as_json(each) for each in services]}
        output.print_json({**reports.recovered_as_json(done), **told_services})
    elif done or not services:
        reports.print_recovered(output.console(settings(context)), done)


def _recover_containers(
    context: typer.Context, words: tuple[str, list[str] | None, bool, bool], told: "Told | None"
) -> "list[Situation]":
    from transship import migrations  # noqa: PLC0415 - see above
    from transship.cli import output, reports  # noqa: PLC0415
    from transship.errors import TransshipError  # noqa: PLC0415
    from transship.journal.decision import NOTHING_TOLD  # noqa: PLC0415

    migration, host, yes, as_json = words
    screen = output.console(settings(context), machine=as_json)
    with output.Progress(settings(context)) as progress:

        def agreed(found: "Situation") -> bool:
            with progress.paused():
                reports.print_situation(screen, found)
                return yes or (screen.is_interactive and confirmed())

        try:
            return migrations.recover(
                _reach(context, host),
                migration,
                told=told or NOTHING_TOLD,
                only_back=told is None,
                agreed=agreed,
                listener=progress.show,
            )
        except TransshipError as error:
            if not as_json and isinstance(error.result, tuple) and error.result:
                reports.print_recovered(screen, error.result)
            raise


def _reach(context: typer.Context, at: list[str] | None) -> "Reach":
    from transship.migrations import Reach  # noqa: PLC0415 - see above

    chosen = settings(context)
    return Reach(chosen.state_dir, tuple(at or ()), chosen.ssh_config)


def _told(source_is_lost: bool, target_is_lost: bool, keep: str) -> "Told":  # noqa: FBT001 - as they are typed
    from transship.errors import UsageError  # noqa: PLC0415 - see above
    from transship.journal.decision import Told  # noqa: PLC0415

    if source_is_lost and target_is_lost:
        raise UsageError("if both hosts are lost, nothing can be recovered")
    if keep not in _COPIES:
        raise UsageError(f"{keep!r} is no copy that could be kept", hint="--keep source, or --keep target")
    return Told("source" if source_is_lost else "target" if target_is_lost else "", _COPIES[keep])
