"""What can be known before anything is touched: one small rule a trap, each without I/O."""

import re
from collections.abc import Callable, Iterable, Iterator

from transship.plan.findings import Finding
from transship.plan.network_checks import NETWORK_RULES
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.spec.model import Mount, PublishedPort
from transship.spec.render import lost_fields

ALWAYS_THERE = re.compile(
    r"/(?:proc|sys|dev)(?:/.*)?|(?:/var)?/run/docker\.sock|/etc/(?:localtime|timezone|hosts|resolv\.conf|ssl/certs(?:/.*)?)"
)
"""Paths that every host has of its own: they are mounted there again, never copied."""

_RUNS_TOO = {("386", "amd64"), ("arm", "arm64")}
"""Programs of the first architecture run on hosts of the second, too."""

Rule = Callable[[Observation, MoveOptions], Iterator[Finding]]

_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_SPACE_FACTOR = 1.1
"""What is unpacked takes a little more than its size."""


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


def container_stands_alone(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Containers that share a network stack or are linked would have to move together."""
    name = seen.spec.name
    if seen.spec.network_mode.startswith("container:"):
        owner = seen.spec.network_mode.partition(":")[2]
        yield Finding(
            "error",
            "borrowed-network",
            f"{name} uses the network of the container {owner}, which stays behind",
            "give it a network of its own",
        )
    for kind in ("PidMode", "IpcMode"):
        mode = str(seen.spec.host_config.get(kind) or "")
        if mode.startswith("container:"):
            yield Finding(
                "error",
                "borrowed-namespace",
                f"{name} shares processes or memory ({kind}) with the container {mode.partition(':')[2]}, "
                "which stays behind",
                "give it a namespace of its own",
            )
    for other in seen.state.dependants:
        yield Finding(
            "error", "lent-network", f"{other} uses the network of {name} and would lose it", f"remove {other} first"
        )
    if seen.spec.host_config.get("Links"):
        yield Finding(
            "error",
            "linked",
            f"{name} is linked to containers that stay behind (--link)",
            "use a user-defined network instead of --link",
        )


def nobody_else_manages_it(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Swarm re-creates its tasks; compose and updaters look for theirs where they left them."""
    labels = seen.spec.config.get("Labels", {})
    name = seen.spec.name
    if "com.docker.swarm.task.id" in labels:
        service = labels.get("com.docker.swarm.service.name", "")
        yield Finding(
            "error",
            "swarm-task",
            f"{name} is a task of the Swarm service {service}, which would make it again",
            "change the service's placement with docker service update",
        )
    if "com.docker.compose.project" in labels:
        yield Finding(
            "note",
            "compose",
            f"{name} belongs to the Compose project {labels['com.docker.compose.project']}, whose files stay behind",
            "carry compose.yaml over yourself before you next run docker compose there",
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


def ports_are_free(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A port that is taken shows only when the container starts, that is too late.

    With the network of the host, of another container or of nobody, Docker ignores what shall be published.
    """
    if seen.spec.network_mode in {"host", "none"} or seen.spec.network_mode.startswith("container:"):
        return
    for port in seen.spec.published_ports:
        for number in _host_ports(port):
            key = f"{number}/{port.protocol}"
            owner = _publisher(seen, port, key)
            if owner is None and not _is_bound(seen, port, number):
                continue
            yield Finding(
                "error",
                "port-taken",
                f"port {key} is taken on {seen.target_name} by {f'the container {owner}' if owner else 'a program'}",
                "free it there",
            )


def daemon_knows_all(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Runtimes and drivers that the target lacks, and settings that this program has never heard of."""
    runtime = seen.spec.host_config.get("Runtime", "")
    if runtime and runtime not in seen.target.runtimes:
        yield Finding("error", "runtime", f"{seen.target_name} has no container runtime {runtime}", "install it there")
    driver = seen.spec.host_config.get("LogConfig", {}).get("Type", "")
    if driver not in {"", "none", *seen.target.log_drivers}:
        yield Finding(
            "error", "log-driver", f"{seen.target_name} has no log driver {driver}", "install the plugin there"
        )
    for field in lost_fields(seen.spec, seen.there.api_version):
        yield Finding(
            "warning", "lost-field", f"the Docker of {seen.target_name} is too old for {field} and would ignore it"
        )
    for field in seen.state.unknown_fields:
        yield Finding("note", "unknown-field", f"{field} is unknown to this version and is carried over as it is")


def image_keeps_its_names(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A tag that means another image there is not taken away from it."""
    for tag in sorted(seen.there.foreign_tags):
        yield Finding(
            "note",
            "tag-differs",
            f"{tag} is another image on {seen.target_name}; it stays so, and the container gets its own by id",
        )


def space_suffices(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A full disk shows up as something else, and late."""
    needed, free = seen.state.image_bytes * _SPACE_FACTOR, seen.target.docker_free_bytes
    if not seen.there.image and free is not None and free < needed:
        yield Finding(
            "error",
            "no-space",
            f"{seen.target_name} has {free / 1e6:.0f} MB free in {seen.target.docker_root}, "
            f"and the image needs {needed / 1e6:.0f} MB",
            "docker system df there shows what could go",
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
    container_stands_alone,
    nobody_else_manages_it,
    hosts_differ,
    platform_fits,
    name_is_free,
    ports_are_free,
    *NETWORK_RULES,
    daemon_knows_all,
    image_keeps_its_names,
    space_suffices,
)

PLAIN_RULES: tuple[Rule, ...] = (bind_mounts_are_not_copied, volumes_are_not_copied, nothing_is_frozen)
"""For the strategies that move neither volumes nor bind mounts, and know nothing but a stop."""


def expected_path(seen: Observation, mount: Mount) -> Iterator[Finding]:
    """A bind mount that is taken to be on the target must be there."""
    if seen.there.missing_paths is None:
        yield Finding(
            "warning", "bind-unseen", f"whether {seen.target_name} has {mount.source} cannot be seen without root there"
        )
    elif mount.source in seen.there.missing_paths:
        yield Finding(
            "error",
            "bind-missing",
            f"{seen.target_name} has no {mount.source}, which is mounted at {mount.target}",
            "copy it there first",
        )


def _host_ports(port: PublishedPort) -> Iterable[int]:
    """The ports asked for: none where Docker may choose, one, or a range of which any may be used."""
    first, _, last = port.host_port.partition("-")
    return () if last or not first else (int(first),)


def _publisher(seen: Observation, port: PublishedPort, key: str) -> str | None:
    """The container that has this port there, on the same address or where one of both has every address."""
    return next(
        (
            owner
            for (address, taken), owner in seen.there.published.items()
            if taken == key and _overlap(address, port.host_address)
        ),
        None,
    )


def _is_bound(seen: Observation, port: PublishedPort, number: int) -> bool:
    """Whether a listener, also one outside Docker, is in the way."""
    return any(
        listener.port == number and listener.protocol == port.protocol and _overlap(listener.address, port.host_address)
        for listener in seen.target.listeners or ()
    )


def _overlap(one: str, other: str) -> bool:
    """Whether the same port on both addresses is in conflict."""
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104 - it is compared, not bound
    return one == other or bool({one, other} & everywhere)
