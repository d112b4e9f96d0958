"""What the strategy `sync` needs beyond what every move needs."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from transship.hosts.facts import Facts
from transship.hosts.readiness import readiness
from transship.plan.checks import expected_path
from transship.plan.copied import ALWAYS_THERE, is_copied
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.plan.space_checks import COPY_SPACE_RULES
from transship.spec.model import Mount

_SYSTEM = re.compile(
    r"/|/(?:bin|etc|home|lib(?:32|64|x32)?|root|sbin|usr|var|var/lib)|/(?:boot|dev|proc|run|sys|var/run)(?:/.*)?"
)
_LAYERS_KNOWN = {"overlay2", "overlayfs"}


def belongs_to_host(path: str, docker_root: str) -> bool:
    """Whether a host's own system, or its Docker, lives in this path or around it."""
    in_docker = PurePosixPath(path).is_relative_to(docker_root) or PurePosixPath(docker_root).is_relative_to(path)
    return in_docker or _SYSTEM.fullmatch(path) is not None


def agents_can_run(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Without Python or root on both hosts only the strategies remain that use nothing but Docker."""
    for name, facts in ((seen.source_name, seen.source), (seen.target_name, seen.target)):
        (needed,) = (each for each in readiness(facts) if each.strategy == "sync")
        for lack in needed.lacks:
            yield Finding(
                "error",
                "no-agent",
                f"{name} cannot take part in sync: {lack.what}",
                f"{f'{lack.remedy}; ' if lack.remedy else ''}stop-start and export-import remain",
            )


def files_can_be_reached(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """The writable layer is read and written where the storage driver keeps it; ids must mean the same on both."""
    for name, facts in ((seen.source_name, seen.source), (seen.target_name, seen.target)):
        if facts.storage_driver not in _LAYERS_KNOWN:
            yield Finding(
                "error",
                "storage-driver",
                f"{name} stores containers with {facts.storage_driver}, and sync knows only overlayfs",
                "stop-start and export-import remain",
            )
        if _maps_ids(facts):
            yield Finding(
                "error",
                "mapped-ids",
                f"the Docker of {name} maps user ids (rootless or userns-remap), which sync does not translate",
                "stop-start and export-import remain",
            )


def volumes_are_free(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Two writers of one volume spoil it, and what the target has of that name is somebody's data."""
    for volume in seen.spec.volumes:
        users = seen.state.company.volume_users.get(volume.name, ())
        if not is_copied(volume):
            yield Finding(
                "note",
                "remote-volume",
                f"the volume {volume.name} is set up anew on the target, its data is not copied",
            )
            continue
        if users:
            yield Finding(
                "warning" if options.shared_volumes else "error",
                "shared-volume",
                f"the volume {volume.name} is also used by {', '.join(users)}, which would go on with another copy",
                "stop them first, or say --shared-volumes",
            )
        if volume.name in seen.there.occupied_volumes:
            yield Finding(
                "warning" if options.replace_data else "error",
                "occupied-volume",
                f"{seen.target_name} has data in a volume {volume.name} already, which would be overwritten",
                "remove it there, or say --replace-data",
            )


def bind_mounts_are_decided(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """A bind mount is somebody's folder: whether it moves is the user's word."""
    for mount in seen.spec.mounts:
        if mount.type != "bind" or ALWAYS_THERE.fullmatch(mount.source):
            continue
        if options.binds == "copy":
            yield from _copied_path(seen, options, mount)
        elif options.binds == "fail":
            yield Finding(
                "error",
                "bind-mount",
                f"{mount.target} of {seen.spec.name} is the host's {mount.source}, and nobody said what becomes of it",
                "--binds copy takes it along, --binds expect uses what the target has, --binds skip does without",
            )
        elif options.binds == "expect":
            yield from expected_path(seen, mount)
        else:
            yield Finding("warning", "bind-skipped", f"{mount.target} will not be mounted on {seen.target_name}")


def freezing_is_understood(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """A frozen program has not been told to write down what it holds in memory."""
    if options.freeze and seen.state.running:
        yield Finding(
            "note",
            "crash-consistent",
            f"{seen.spec.name} is frozen, not stopped: on {seen.target_name} it starts as after a power cut, "
            "from what it had written by then (crash consistent)",
        )


def direct_path_is_possible(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """An agent in a container has no way to the ssh-agent that was forwarded to its host."""
    for name, facts in ((seen.source_name, seen.source), (seen.target_name, seen.target)):
        if options.path == "direct" and facts.root_access == "docker":
            yield Finding(
                "error",
                "no-direct-path",
                f"root on {name} is had through Docker only, and the direct path needs it without",
                "--path relay; or log in as root, or as a user with sudo and no password",
            )


HOST_RULES: tuple[Rule, ...] = (agents_can_run, files_can_be_reached)
"""What the two hosts must offer, whatever the container."""

FILE_RULES: tuple[Rule, ...] = (*HOST_RULES, volumes_are_free, bind_mounts_are_decided, *COPY_SPACE_RULES)
"""Whatever copies files in rounds needs."""

SYNC_RULES: tuple[Rule, ...] = (*FILE_RULES, freezing_is_understood, direct_path_is_possible)


def _copied_path(seen: Observation, options: MoveOptions, mount: Mount) -> Iterator[Finding]:
    here = None if seen.state.paths is None else seen.state.paths[mount.source]
    there = None if seen.there.paths is None else seen.there.paths[mount.source]
    real = {each.real for each in (here, there) if each is not None and each.kind != "missing"}
    if any(_is_never_copied(seen, path) for path in {mount.source, *real}):
        yield Finding(
            "error",
            "bind-system",
            f"{mount.target} of {seen.spec.name} is the host's {mount.source}, "
            "which holds its own system or Docker's data",
            "--binds expect uses what the target has, --binds skip does without it",
        )
        return
    if here is not None and here.kind in {"missing", "other"}:
        lack = "is not there" if here.kind == "missing" else "is neither a folder nor a file, and cannot be copied"
        yield Finding(
            "error",
            "bind-source",
            f"{mount.target} of {seen.spec.name} is {mount.source} of {seen.source_name}, which {lack}",
            "--binds expect uses what the target has, --binds skip does without it",
        )
    elif there is None:
        yield Finding("warning", "bind-unseen", f"whether {seen.target_name} has data in {mount.source} cannot be seen")
    elif here is not None and there.kind not in {"missing", here.kind}:
        yield Finding(
            "error",
            "bind-kind",
            f"{mount.source} is a {here.kind} on {seen.source_name} and none on {seen.target_name}",
            "move it away there",
        )
    elif not there.empty:
        yield Finding(
            "warning" if options.replace_data else "error",
            "bind-occupied",
            f"{seen.target_name} has data in {mount.source} already, which would be overwritten",
            "move it away there, or say --replace-data",
        )


def _is_never_copied(seen: Observation, path: str) -> bool:
    volumes = (f"{seen.source.docker_root}/volumes/{volume.name}/_data" for volume in seen.spec.volumes)
    own = any(belongs_to_host(path, facts.docker_root) for facts in (seen.source, seen.target))
    return own and not any(PurePosixPath(path).is_relative_to(volume) for volume in volumes)


def _maps_ids(facts: Facts) -> bool:
    return facts.rootless or facts.userns_remap
