"""Where the two daemons differ, and the container would notice."""

from collections.abc import Iterator, Mapping

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.spec.render import lost_fields

_TAKES_SHIMS = (1, 42)
"""The first API whose daemon takes a containerd shim for a runtime without being told of it."""
_SHIPPED_SHIMS = frozenset({"io.containerd.runc.v1", "io.containerd.runc.v2"})
_TOLERABLE_SKEW_S = 2.0

_ASIDE: Mapping[str, str] = {
    "dns": "Dns",
    "dns-opts": "DnsOptions",
    "dns-search": "DnsSearch",
    "default-ulimits": "Ulimits",
    "init": "Init",
}
"""The container's own setting that makes the daemon's void."""

_FELT = (*_ASIDE, "mtu", "default-network-opts", "default-address-pools", "icc", "ip", "ipv6", "seccomp-profile",
         "userland-proxy")  # fmt: skip
"""The settings of a daemon that its containers feel, and that no container carries along."""


def runtime_is_there(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Docker refuses a runtime that it does not know when the container starts."""
    runtime = str(seen.spec.host_config.get("Runtime") or "")
    if not runtime or runtime in seen.target.runtimes:
        return
    if runtime.startswith(("io.containerd.", "/")) and seen.there.api_version >= _TAKES_SHIMS:
        if runtime not in _SHIPPED_SHIMS:
            yield Finding(
                "warning",
                "runtime-unseen",
                f"whether {seen.target_name} has the shim of the container runtime {runtime} cannot be seen",
                "look there before you say --yes",
            )
        return
    yield Finding("error", "runtime", f"{seen.target_name} has no container runtime {runtime}", "install it there")


def log_driver_is_there(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """What Docker brings along is in its list of drivers, what was installed is a plugin."""
    driver = seen.spec.host_config.get("LogConfig", {}).get("Type", "")
    if driver not in {"", "none", *seen.target.log_drivers, *seen.there.log_plugins}:
        yield Finding(
            "error", "log-driver", f"{seen.target_name} has no log driver {driver}", "install the plugin there"
        )


def fields_are_known(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Settings that the target's daemon, or this program, has never heard of."""
    for field in lost_fields(seen.spec, seen.there.api_version):
        yield Finding(
            "warning", "lost-field", f"the Docker of {seen.target_name} is too old for {field} and would ignore it"
        )
    for field in seen.state.unknown_fields:
        yield Finding("note", "unknown-field", f"{field} is unknown to this version and is carried over as it is")


def daemons_agree(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """What a daemon gives to every container is in no container's own settings."""
    here, there = seen.source.settings, seen.target.settings
    if here is not None and there is not None:
        for name in _FELT:
            own = _ASIDE.get(name)
            if here.get(name) != there.get(name) and not (own and seen.spec.host_config.get(own) is not None):
                yield _differs(seen, name, here.get(name, "not set"), there.get(name, "not set"))
    if seen.source.live_restore and not seen.target.live_restore:
        yield _differs(seen, "live-restore", "true", "false")


def _differs(seen: Observation, name: str, here: str, there: str) -> Finding:
    return Finding(
        "note",
        "daemon-differs",
        f"the daemon's setting {name} is {here} on {seen.source_name} and {there} on {seen.target_name}",
        "/etc/docker/daemon.json there",
    )


def clocks_agree(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Certificates, leases and whatever compares times of files notice a clock that jumps."""
    skew = seen.target.clock_skew_s - seen.source.clock_skew_s
    uncertain = seen.target.clock_uncertainty_s + seen.source.clock_uncertainty_s
    if abs(skew) - uncertain > _TOLERABLE_SKEW_S:
        yield Finding(
            "warning",
            "clock-skew",
            f"the clock of {seen.target_name} is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} that of "
            f"{seen.source_name}",
            "set it: timedatectl set-ntp true",
        )


DAEMON_RULES: tuple[Rule, ...] = (
    runtime_is_there,
    log_driver_is_there,
    fields_are_known,
    daemons_agree,
    clocks_agree,
)
