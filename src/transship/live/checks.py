"""What the strategy `live` needs of both hosts and of the container, beyond what its files need. No I/O."""

from collections.abc import Iterator

from transship.hosts.readiness import readiness
from transship.live.sandbox import ANNOTATIONS_SINCE
from transship.live.source import FOR_LOGS
from transship.plan.copied import is_copied
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.sandbox.image import ARCHITECTURES
from transship.sandbox.whole import sandbox_name
from transship.spec.model import ContainerSpec

_MOVING_DRIVERS = ("macvlan", "ipvlan", "overlay")
_SHARED = ("PidMode", "IpcMode", "UTSMode")
_RUNC = frozenset({"runc", "io.containerd.runc.v2"})
_OTHERS = "sync takes its files along"
_SHOWN = 5


def hosts_have_criu(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Both hosts freeze and restore with the same program, each as root."""
    for facts in (seen.source, seen.target):
        told = {each.strategy: each.lacks for each in readiness(facts)}
        for lack in told["live"]:
            if lack not in told["sync"]:
                yield Finding(
                    "error", "no-live", f"{facts.host} cannot take part in live: {lack.what}", lack.remedy or _OTHERS
                )
        if facts.root_access == "docker":
            text = f"root on {facts.host} is had through Docker only, and CRIU needs it without"
            yield Finding("error", "live-root", text, "log in as root, or as a user with sudo and no password")
        if facts.criu_problem:
            text = f"CRIU on {facts.host} does not pass its own check: {facts.criu_problem}"
            yield Finding("error", "criu-check", text, _OTHERS)
        if facts.criu_features is not None and "uffd-noncoop" not in facts.criu_features:
            text = f"the kernel of {facts.host} cannot deliver memory on demand"
            yield Finding("error", "no-userfaultfd", text, _OTHERS)


def processors_agree(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A program that has found an instruction goes on to use it."""
    here, there = seen.source.cpu_features, seen.target.cpu_features
    missing = sorted(set(here or ()) - set(there or ())) if there is not None else []
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        text = f"the processor of {seen.target_name} lacks {', '.join(missing[:_SHOWN])}{more}, which the source's has"
        yield Finding("error", "live-cpu", text, "choose a target with the same kind of processor, or another strategy")


def target_has_a_sandbox(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """The network is that of a container of its own, which is told CRIU's options."""
    facts, name = seen.target, sandbox_name(options.name or seen.spec.name)
    if facts.architecture not in ARCHITECTURES:
        text = f"there is no sandbox program for {facts.architecture}, {facts.host}'s"
        yield Finding("error", "no-sandbox", text, _OTHERS)
    if seen.there.api_version < ANNOTATIONS_SINCE:
        text = f"Docker {facts.docker_version} on {facts.host} is older than 24, which live needs"
        yield Finding("error", "no-annotations", text, _OTHERS)
    if name in seen.there.containers:
        text = f"{seen.target_name} has a container named {name} already, which live makes"
        yield Finding("error", "sandbox-name", text, "choose another with --name, or rename that one")


def all_state_is_inside(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """What is in a device, in another container or in a debugger does not move with the processes."""
    spec, name = seen.spec, seen.spec.name
    for device in spec.host_config.get("Devices", ()):
        text = f"{name} has the device {device.get('PathOnHost', '')}, whose state stays on its host"
        yield Finding("error", "live-device", text, _OTHERS)
    if spec.host_config.get("DeviceRequests"):
        text = f"{name} uses devices such as GPUs, whose state stays on their host"
        yield Finding("error", "live-gpu", text, _OTHERS)
    runtime = str(spec.host_config.get("Runtime") or seen.source.default_runtime)
    if runtime not in _RUNC:
        text = f"{name} is run by {runtime}, whose containers only it can freeze and restore"
        yield Finding("error", "live-runtime", text, _OTHERS)
    for volume in spec.volumes:
        if not is_copied(volume):
            text = f"the data of {name}'s volume {volume.name} lies on another machine, and so do locks of its files"
            yield Finding("error", "live-volume", text, "sync stops it first, and the target mounts the same data")
    if spec.network_mode in ("host", "none"):
        text = f"{name} has no network of its own ({spec.network_mode})"
        yield Finding("error", "live-network", text, _OTHERS)
    for key in _SHARED:
        mode = str(spec.host_config.get(key, ""))
        if mode == "host" or mode.startswith("container:"):
            text = f"{name} shares processes or memory with others ({key} {mode})"
            yield Finding("error", "live-namespace", text, _OTHERS)


def processes_can_be_dumped(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """What CRIU refuses when the service stands still already."""
    name, memory = seen.spec.name, seen.state.memory
    if not seen.state.running:
        text = f"{name} does not run, so there are no processes that could go on"
        yield Finding("error", "live-stopped", text, _OTHERS)
    # One may be the health check, which ends by itself: the freeze waits for that.
    sessions = seen.state.exec_sessions - bool(seen.state.health)
    if sessions > 0:
        started = "a program" if sessions == 1 else f"{sessions} programs"
        text = f"docker exec has started {started} in {name}, which cannot be dumped"
        yield Finding("error", "live-exec", text, "end it first: docker top shows it")
    if memory and memory.traced:
        text = f"a debugger (gdb, strace) is attached to a process of {name}, and CRIU would have to be one itself"
        yield Finding("error", "live-traced", text, "detach it first")
    if memory and memory.rings:
        text = f"{name} uses io_uring, whose requests are in the kernel"
        yield Finding("error", "live-io-uring", text, "many programs can be told to do without; or use sync")


def memory_has_room(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Images of memory lie in memory, on both hosts."""
    if seen.state.memory is None:
        return
    needed = seen.state.memory.bytes + FOR_LOGS
    for facts, times in ((seen.source, 1), (seen.target, 2)):
        free = facts.memory_available_bytes
        if free is not None and free < needed * times:
            wanted = f"{needed * times / 1e6:.0f} MB of memory on {facts.host}"
            text = f"memory images need {wanted}, and {free / 1e6:.0f} MB are free"
            yield Finding("error", "live-memory", text, _OTHERS)


def connections_are_decided(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A connection is tied to an address: it goes on where that moves along, and nowhere else."""
    name = seen.spec.name
    if address_moves(seen.spec):
        text = f"the address of {name} moves with it: its connections go on"
        yield Finding("note", "connections-go-on", text)
        return
    yield Finding(
        "warning",
        "connections-end",
        f"{name} gets another address on {seen.target_name}: its connections are closed, and where it listens it goes "
        "on listening",
        "with a fixed address on a macvlan, ipvlan or attachable overlay network they would go on",
    )


def late_memory_is_understood(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Until the last page has arrived neither host has all of it."""
    if options.post_copy:
        yield Finding(
            "warning",
            "post-copy",
            f"{seen.spec.name} goes on before all of its memory has come: losing a host, or the way between them, "
            "until it has loses what it did since",
            "without --post-copy all memory is there first, and it stands still for longer",
        )


def path_is_the_relay(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Memory takes no other way yet."""
    if options.path == "direct":
        text = f"the memory of {seen.spec.name} passes through this machine, and --path direct was asked for"
        yield Finding("error", "live-path", text, "--path relay")


LIVE_RULES: tuple[Rule, ...] = (
    hosts_have_criu,
    processors_agree,
    target_has_a_sandbox,
    all_state_is_inside,
    processes_can_be_dumped,
    memory_has_room,
    connections_are_decided,
    late_memory_is_understood,
    path_is_the_relay,
)


def address_moves(spec: ContainerSpec) -> bool:
    """Whether the container has the same address on the target: then its connections go on."""
    return bool(spec.networks) and all(
        item.network.driver in _MOVING_DRIVERS and (item.ipv4 or item.ipv6) for item in spec.networks
    )
