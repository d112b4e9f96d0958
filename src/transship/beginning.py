"""From where a move begins: from nothing, from what an earlier try has left, or from the copy that it goes back to."""

import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace

from transship.errors import NotFoundError, PreflightError
from transship.hosts.base import Host
from transship.journal.store import Journal
from transship.plan.observation import Base, Observation
from transship.plan.options import MoveOptions
from transship.plan.record import Made, Record
from transship.spec.extract import volume_names
from transship.undo import find_arrived

_USING = frozenset({"running", "paused", "restarting"})


@dataclass(frozen=True, slots=True)
class Beginning:
    """The move's id, what is on the target already, and what of that is its own (`made`, since `since`).

    `resumed`: it was begun before. `returns` is the migration that it goes back on, or empty.
    """

    migration: str = field(default_factory=lambda: secrets.token_hex(4))
    base: Base = field(default_factory=Base)
    made: Made = field(default_factory=Made)
    since: str = ""
    resumed: bool = False
    returns: str = ""

    def observed(self, seen: Observation, options: MoveOptions) -> Observation:
        """What was seen, where that which is gone on from is in nobody's way."""
        return replace(seen, there=seen.there.on(self.base, options.name or seen.spec.name))

    def options(self, options: MoveOptions) -> MoveOptions:
        """What the user wants; only one strategy goes on from something."""
        return replace(options, strategy="sync") if self.resumed or self.returns else options

    def recorded(self, record: Record) -> Record:
        """A new record, with what was there before it."""
        return replace(record, made=self.made, since=self.since or record.since, returns=self.returns)


def begin(journal: Journal, seen: Observation, options: MoveOptions, target: Host, returns: Record | None) -> Beginning:
    """Where this move begins. Raises `PreflightError` where an earlier one of the same container is in its way."""
    earlier = [each.record for each in journal.open_() if each.record.container_id == seen.state.container_id]
    if not earlier:
        return Beginning() if returns is None else _returning(returns, target)
    record = earlier[0]
    if _can_go_on(record, seen, options, target):
        return _resumed(record, target)
    raise PreflightError(
        f"a move of {record.container} to {record.target.name} ({record.id}) is under way, or was cut off",
        hint=f"transship status {record.id} tells which; transship recover {record.id} ends it",
    )


def _can_go_on(record: Record, seen: Observation, options: MoveOptions, target: Host) -> bool:
    return (
        record.stage in {"preparing", "restored"}
        and record.strategy == "sync"
        and options.strategy in {"auto", "sync"}
        and record.arriving == (options.name or seen.spec.name)
        and record.target.daemon == str(target.docker.info()["ID"])
        and not record.returns
    )


def _resumed(record: Record, target: Host) -> Beginning:
    """What arrived stays, if it is still there; it is compared, so that it need not be trusted.

    Raises `PreflightError` where somebody has started it: nothing is written below a container that runs.
    """
    container = ""
    with suppress(NotFoundError):
        found = find_arrived(target.docker, record)
        if found["State"]["Running"]:
            raise PreflightError(
                f"somebody has started {record.arriving} on {target.name}, which an earlier try left there incomplete",
                hint=f"transship recover {record.id} decides which copy stays",
            )
        container = str(found["Id"])
    made = replace(record.made, container=container, creating=bool(container))
    volumes = frozenset(name for name in made.volumes if _is_still(target, name, made.volumes[name]))
    _refuse_users(target, volumes, container)
    base = Base(volumes, frozenset(each.path for each in made.provided), container)
    return Beginning(record.id, base, made, record.since, resumed=True)


def _is_still(target: Host, volume: str, made: str) -> bool:
    """Whether the volume of that name is the one that was `made` then."""
    try:
        return bool(made) and target.docker.inspect_volume(volume).get("CreatedAt") == made
    except NotFoundError:
        return False


def _refuse_users(target: Host, volumes: frozenset[str], ours: str) -> None:
    """Raise `PreflightError` where another container runs with one of the volumes: it would be written below it."""
    for each in target.docker.containers():
        shared = volumes & {mount.get("Name") for mount in each.get("Mounts") or ()}
        if shared and each["State"] in _USING and each["Id"] != ours:
            name = (each.get("Names") or [each["Id"]])[0].removeprefix("/")
            raise PreflightError(
                f"{name} on {target.name} uses the volume {min(shared)}, which would be overwritten while it runs",
                hint=f"stop {name} there first",
            )


def _returning(record: Record, target: Host) -> Beginning:
    """The stopped source of an earlier move is the base. Raises `PreflightError` where it is none any more."""
    where = f"the container that {record.container} was on {target.name}"
    if not record.outcome.startswith("moved"):
        raise PreflightError(
            f"migration {record.id} has not moved {record.container} for good, so that there is nothing to return from",
            hint=f"transship status {record.id}",
        )
    try:
        old = target.docker.inspect_container(record.container_id)
    except NotFoundError as error:
        raise PreflightError(f"{where} was removed", hint="transship move brings it there anew") from error
    if old["State"]["Running"]:
        raise PreflightError(
            f"{where} runs: somebody has started it", hint=f"stop it, after a look at {old['Name'][1:]}"
        )
    volumes = frozenset(volume_names(old))
    _refuse_users(target, volumes, str(old["Id"]))
    paths = (mount["Source"] for mount in old.get("Mounts") or () if mount.get("Type") == "bind")
    base = Base(volumes, frozenset(paths))
    # One that had its network from a sandbox is not what it becomes here: its data is used, and not itself.
    if not str(old["HostConfig"].get("NetworkMode")).startswith("container:"):
        base = replace(base, container=str(old["Id"]), name=str(old["Name"]).removeprefix("/"))
    return Beginning(base=base, returns=record.id)
