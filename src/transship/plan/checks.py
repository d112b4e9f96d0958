"""What can be known before anything is touched: one small rule a trap, each without I/O."""

import re
from collections.abc import Iterable, Iterator

from transship.plan.company_checks import COMPANY_RULES
from transship.plan.copied import ALWAYS_THERE
from transship.plan.daemon_checks import DAEMON_RULES
from transship.plan.device_checks import DEVICE_RULES
from transship.plan.findings import Finding
from transship.plan.forward_checks import FORWARD_RULES
from transship.plan.limit_checks import LIMIT_RULES
from transship.plan.loss_checks import LOSS_RULES
from transship.plan.network_checks import NETWORK_RULES
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.port_checks import PORT_RULES
from transship.plan.rule import Rule
from transship.plan.security_checks import SECURITY_RULES
from transship.plan.space_checks import SPACE_RULES
from transship.spec.model import Mount

_RUNS_TOO = {("386", "amd64"), ("arm", "arm64")}
"""Programs of the first architecture run on hosts of the second, too."""

_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def check(seen: Observation, options: MoveOptions, rules: Iterable[Rule] | None = None) -> tuple[Finding, ...]:
    """What `rules` find; without any, what speaks against every move of this container to this target."""
    return tuple(finding for rule in (RULES if rules is None else rules) for finding in rule(seen, options))


def container_can_be_moved(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A container that is paused, half-started, or whose end is its deletion, has no safe way back."""
    name = seen.spec.name
    if seen.state.status not in {"running", "exited", "created"}:
        yield Finding(
            "error",
            "container-state",
            f"{name} is {seen.state.status} on {seen.source_name}; only a running or a stopped container can be moved",
            f"docker unpause {name}" if seen.state.status == "paused" else "wait until it runs",
        )
    if seen.spec.host_config.get("AutoRemove"):
        yield Finding(
            "error",
            "auto-remove",
            f"{name} was started with --rm: stopping it would delete it, and there would be no way back",
            "start it without --rm",
        )


def platform_fits(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Programs of another architecture end with `exec format error`."""
    image, host = seen.spec.image.platform.split("/")[1:2], seen.target.architecture
    if image and image[0] != host and (image[0], host) not in _RUNS_TOO:
        yield Finding(
            "error",
            "platform",
            f"the image of {seen.spec.name} is for {seen.spec.image.platform}, "
            f"and {seen.target_name} is {seen.target.platform}",
            "choose a target of the same architecture",
        )


def hosts_differ(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A move to where it is already. A daemon's own id does not tell: copies of a virtual machine share it."""
    if seen.there.has_source:
        yield Finding(
            "error",
            "same-host",
            f"{seen.source_name} and {seen.target_name} are the same Docker daemon",
            "name another target with --to",
        )


def name_is_free(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Docker refuses a second container of a name."""
    name = options.name or seen.spec.name
    if not _CONTAINER_NAME.fullmatch(name):
        yield Finding("error", "name", f"{name!r} is no name that a container can have", "letters, digits, _ . and -")
    elif name in seen.there.containers:
        yield Finding(
            "error",
            "name-taken",
            f"{seen.target_name} has a container named {name} already",
            "choose another with --name, or rename that one",
        )


def image_keeps_its_names(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A tag that means another image there is not taken away from it."""
    for tag in sorted(seen.there.foreign_tags):
        yield Finding(
            "note",
            "tag-differs",
            f"{tag} is another image on {seen.target_name}; it stays so, and the container gets its own by id",
        )


def bind_mounts_are_not_copied(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """A bind mount whose path is missing gets an empty folder from Docker, and a database begins anew in it."""
    for mount in seen.spec.mounts:
        if mount.type != "bind" or ALWAYS_THERE.fullmatch(mount.source):
            continue
        if options.binds in {"fail", "copy"}:
            yield Finding(
                "error",
                "bind-mount",
                f"{mount.target} of {seen.spec.name} is the host's {mount.source}, which is not copied",
                "sync --binds copy takes it along, --binds expect uses what is there, --binds skip does without",
            )
        elif options.binds == "expect":
            yield from expected_path(seen, mount)
        else:
            yield Finding("warning", "bind-skipped", f"{mount.target} will not be mounted on {seen.target_name}")


def volumes_are_not_copied(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Neither of the plain strategies moves what is in a volume."""
    for volume in seen.spec.volumes:
        if not options.without_volumes:
            yield Finding(
                "error",
                "volume",
                f"{volume.destination} of {seen.spec.name} is the volume {volume.name}, whose data is not copied",
                "--strategy sync takes it along, --without-volumes makes an empty one",
            )
        elif volume.name in seen.there.volumes:
            yield Finding(
                "error",
                "volume-exists",
                f"{seen.target_name} has a volume named {volume.name} already, so that it would not be empty",
                f"docker volume rm {volume.name} there, if nothing needs it",
            )
        else:
            yield Finding(
                "warning", "volume-empty", f"the volume at {volume.destination} will be empty on {seen.target_name}"
            )


def nothing_is_frozen(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Whoever asks for the state at one instant would not get it from a strategy that stops first."""
    if options.freeze:
        yield Finding(
            "error",
            "freeze",
            f"{seen.spec.name} would be stopped, and --freeze was asked for",
            "--freeze belongs to --strategy sync",
        )


RULES: tuple[Rule, ...] = (
    container_can_be_moved,
    *COMPANY_RULES,
    hosts_differ,
    platform_fits,
    name_is_free,
    *PORT_RULES,
    *NETWORK_RULES,
    *FORWARD_RULES,
    *DEVICE_RULES,
    *LIMIT_RULES,
    *SECURITY_RULES,
    *DAEMON_RULES,
    image_keeps_its_names,
    *SPACE_RULES,
    *LOSS_RULES,
)

PLAIN_RULES: tuple[Rule, ...] = (bind_mounts_are_not_copied, volumes_are_not_copied, nothing_is_frozen)
"""For the strategies that move neither volumes nor bind mounts, and know nothing but a stop."""


def expected_path(seen: Observation, mount: Mount) -> Iterator[Finding]:
    """A bind mount that is taken to be on the target must be there."""
    if seen.there.paths is None:
        yield Finding(
            "warning", "bind-unseen", f"whether {seen.target_name} has {mount.source} cannot be seen without root there"
        )
    elif seen.there.paths[mount.source].kind == "missing":
        yield Finding(
            "error",
            "bind-missing",
            f"{seen.target_name} has no {mount.source}, which is mounted at {mount.target}",
            "copy it there first",
        )
