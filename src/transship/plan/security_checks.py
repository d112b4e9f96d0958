"""What confines the container: a profile that the target lacks keeps it from starting, or lets it start without."""

import re
from collections.abc import Iterator

from transship.hosts.facts import Facts
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.spec.model import ContainerSpec

_NAMED = ("apparmor", "seccomp", "selinux", "no-new-privileges")
_BUILT_IN = frozenset({"", "unconfined", "docker-default", "builtin", "runtime/default"})


def apparmor_profile(spec: ContainerSpec) -> str:
    """The profile of somebody's own making that the container asks for; empty if there is none."""
    return next((value for value in _said(spec, "apparmor") if value not in _BUILT_IN), "")


def profiles_are_loaded(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A start fails where the kernel does not know the profile."""
    profile = apparmor_profile(seen.spec)
    if not profile or "apparmor" not in _kinds(seen.target):
        return
    if seen.there.profiles is None:
        yield Finding(
            "warning",
            "profile-unseen",
            f"whether {seen.target_name} has loaded the AppArmor profile {profile} cannot be seen without root there",
            "sudo aa-status there shows it",
        )
    elif profile not in seen.there.profiles:
        yield Finding(
            "error",
            "apparmor-profile",
            f"{seen.target_name} has not loaded the AppArmor profile {profile} of {seen.spec.name}",
            "copy it to /etc/apparmor.d there, and load it with apparmor_parser",
        )


def confinement_stays(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """What the source's kernel enforces and the target's does not is silently gone."""
    own_filter = any(value not in _BUILT_IN for value in _said(seen.spec, "seccomp"))
    if own_filter and "seccomp" not in _kinds(seen.target):
        yield Finding(
            "error",
            "seccomp",
            f"{seen.spec.name} has a seccomp profile of its own, and {seen.target_name} has no seccomp",
            "choose a target whose kernel has it",
        )
        return
    if seen.spec.host_config.get("Privileged"):
        return
    for kind in _NAMED:
        if kind in _kinds(seen.source) - _kinds(seen.target) and not _is_off(seen.spec, kind):
            yield Finding(
                "warning",
                "weaker-security",
                f"{kind} confines {seen.spec.name} on {seen.source_name}, and {seen.target_name} does without",
                f"enable {kind} there",
            )


def _kinds(facts: Facts) -> frozenset[str]:
    """The words of `docker info` for what confines containers there."""
    words = (part.removeprefix("name=") for option in facts.security_options for part in option.split(","))
    return frozenset(words) & frozenset(_NAMED)


def _is_off(spec: ContainerSpec, kind: str) -> bool:
    word, off = {"selinux": ("label", "disable")}.get(kind, (kind, "unconfined"))
    return off in _said(spec, word)


def _said(spec: ContainerSpec, word: str) -> tuple[str, ...]:
    """What the container says under `--security-opt WORD=…`; Docker once wrote a colon there."""
    options = (re.split("[=:]", str(option), maxsplit=1) for option in spec.host_config.get("SecurityOpt") or ())
    return tuple(parts[-1] for parts in options if parts[0] == word)


SECURITY_RULES: tuple[Rule, ...] = (profiles_are_loaded, confinement_stays)
