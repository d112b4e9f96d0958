"""What is done to a move: which move, what happens to it, and when. All of it follows from a seed."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

Boundary = tuple[str, str, int]
"""`started` or `completed`, a phase, and which of that name."""

VARIANTS: dict[str, dict[str, Any]] = {
    "stop-start": {"strategy": "stop-start"},
    "export-import": {"strategy": "export-import"},
    "sync": {"strategy": "sync", "max_downtime_s": 60.0},
    "sync --freeze": {"strategy": "sync", "max_downtime_s": 60.0, "freeze": True},
}

LIVE_VARIANTS: dict[str, dict[str, Any]] = {
    "live": {"strategy": "live"},
    "live --post-copy": {"strategy": "live", "post_copy": True},
}
"""Those that need hosts of their own, with a CRIU that fits the kernel."""

_BEGIN = ("connect", "observe", "plan", "claim")
_IMAGE = ("missing-layers", "whole-image", "export", "transfer", "import")
_SYNC = (
    *(*_BEGIN, "prepare", "prepare", *_IMAGE, "prepare", "prepare", "create", "prepare", "prepare"),
    *("round-1", "round-2", "fence"),
)
_LIVE = (
    *(*_BEGIN, "prepare", "prepare", *_IMAGE, "prepare", "prepare", "create", "create", "prepare", "prepare"),
    *("round-1", "round-2", "prepare", "fence", "freeze", "last-round", "verify", "connect", "dump", "memory", "serve"),
    *("release", "restore", "open", "healthy", "settle", "pages", "close", "kill", "retire"),
)
"""Some of these run at the same time."""
_END = ("release", "start", "healthy", "settle")
PHASES: dict[str, tuple[str, ...]] = {
    "stop-start": (*_BEGIN, "prepare", *_IMAGE, "create", "fence", "stop", *_END, "retire"),
    "export-import": (
        *(*_BEGIN, "prepare", "fence", "stop", "export", "transfer", "import", "create", "verify"),
        *(*_END, "retire"),
    ),
    "sync": (*_SYNC, "stop", "last-round", "verify", "release", "start", "announce", "healthy", "settle", "retire"),
    "sync --freeze": (
        *(*_SYNC, "freeze", "last-round", "verify", "release", "start", "announce", "healthy", "settle"),
        *("kill", "retire"),
    ),
    "live": _LIVE,
    "live --post-copy": _LIVE,
}
"""The phases of a move of the workload in its own network, where the target has no image yet."""

MORE_ROUNDS = tuple(f"round-{number}" for number in range(3, 10))
"""Phases that a move may have besides, where the machine is slow."""

KINDS: tuple[tuple[str, str], ...] = (
    ("coordinator killed", ""),
    ("interrupted", ""),
    ("interrupted twice", ""),
    ("killed while it undoes", ""),
    ("agent killed", "source"),
    ("agent killed", "target"),
    ("keeper killed", "source"),
    ("keeper killed", "target"),
    ("dockerd killed", "source"),
    ("dockerd killed", "target"),
    ("dockerd stays dead", "source"),
    ("dockerd stays dead", "target"),
    ("ssh session killed", "source"),
    ("ssh session killed", "target"),
    ("ssh master killed", "source"),
    ("ssh master killed", "target"),
    ("link cut", "source"),
    ("link cut", "target"),
    ("link cut for 5 s", "source"),
    ("link cut for 5 s", "target"),
    ("link at 64 kbit/s", "source"),
    ("link at 64 kbit/s", "target"),
    ("disk full", "target"),
    ("host gone", "target"),
    ("host rebooted", "source"),
    ("host rebooted", "target"),
)
"""What happens, and to which side of the move."""

LIVE_KINDS: tuple[tuple[str, str], ...] = (*KINDS, ("pages killed", "target"))
"""The same for moves with memory, which somebody serves until all is there."""

_DEATHS = 10_000
"""The number of the first of `deaths`."""

_DEATHS_MORE = (("coordinator killed", ""),) * 3
"""What is most likely comes most often."""

_NEEDS = {"agent killed": "create", "keeper killed": "claim", "pages killed": "serve"}
"""Before that phase there is none."""

_KILLS_CONTAINERS = ("dockerd killed", "dockerd stays dead", "host rebooted", "host gone")
"""Docker brings back only what is to restart always: `unless-stopped` does not outlive a dockerd that crashed."""

_POLICIES = ("always", "unless-stopped", "no", "on-failure:3")
_USERS = ("root",) * 4 + ("mover",)


@dataclass(frozen=True, slots=True)
class Fault:
    """One move, and what happens to it at a `boundary`, or after a `moment` (a part of its usual duration).

    `user` logs in to both hosts; `policy` is the container's restart policy; `network` and `image`: it has a network of
    its own, and the target has its image. `elsewhere`: if somebody must recover it, that is done from another machine.
    `again`: what can be continued is, by the same move. `onward`: another move follows at the end. `chance`, from 0 to
    1, decides what is left to the kind.
    """

    number: int
    variant: str
    kind: str
    side: str
    boundary: Boundary | None
    moment: float
    user: str
    policy: str
    network: bool
    image: bool
    probe: bool
    elsewhere: bool
    again: bool
    onward: bool
    chance: float

    def __str__(self) -> str:
        what = f"{self.kind} ({self.side})" if self.side else self.kind
        if self.boundary is None:
            return f"{self.number} {self.variant}: {what} at {self.moment:.2f}"
        kind, phase, which = self.boundary
        when = {"started": "before", "completed": "after"}[kind]
        return f"{self.number} {self.variant}: {what} {when} {phase}{f' {which}' if which > 1 else ''}"

    @property
    def has_volume(self) -> bool:
        """Only some strategies move one."""
        return self.variant.startswith(("sync", "live"))

    @property
    def is_live(self) -> bool:
        """Whether the processes go on, which leaves two containers."""
        return self.variant in LIVE_VARIANTS


def draw(seed: str, variants: Collection[str] = VARIANTS) -> Iterator[Fault]:
    """Faults without end. Each kind comes once before any comes again, and each time with another strategy."""
    number, turn = 0, 0
    deck = (*(LIVE_KINDS if set(variants) <= set(LIVE_VARIANTS) else KINDS), *_DEATHS_MORE)
    while True:
        for place in Random(f"{seed} {turn}").sample(range(len(deck)), len(deck)):  # noqa: S311 - no secret
            kind, side = deck[place]
            possible = [each for each in variants if kind != "agent killed" or each.startswith(("sync", "live"))]
            choice = possible[(place + turn) % len(possible)]
            yield _one(Random(f"{seed} {number}"), number, choice, (kind, side))  # noqa: S311 - no secret
            number += 1
        turn += 1


def deaths(seed: str, variants: Iterable[str] = VARIANTS) -> Iterator[Fault]:
    """The coordinator is killed at every boundary while nobody serves, before the source is handed over."""
    number = _DEATHS
    for variant in variants:
        for boundary in boundaries(variant, "fence"):
            fault = _one(Random(f"{seed} {number}"), number, variant, ("coordinator killed", ""))  # noqa: S311
            yield replace(fault, boundary=boundary, image=True)
            number += 1
            if boundary == ("started", "release", 1):
                break


def _one(random: Random, number: int, variant: str, what: tuple[str, str]) -> Fault:
    kind, side = what
    policies = ("always",) if kind in _KILLS_CONTAINERS else _POLICIES
    at_boundary = random.random() < 0.6 or kind == "pages killed"
    boundary = random.choice(boundaries(variant, _NEEDS.get(kind, ""))) if at_boundary else None
    moves_image = boundary is not None and boundary[1] in _IMAGE and variant != "export-import"
    return Fault(
        number=number,
        variant=variant,
        kind=kind,
        side=side,
        boundary=boundary,
        moment=random.uniform(0.5 if kind in _NEEDS else 0.0, 0.95),
        user=random.choice(_USERS if variant in VARIANTS else ("root",)),
        policy=random.choice(policies),
        network=random.random() < 0.3 or (boundary is not None and boundary[1] == "prepare"),
        image=not moves_image and random.random() < 0.8,
        probe=random.random() < 0.5,
        elsewhere=random.random() < 0.34,
        again=random.random() < 0.5,
        onward=random.random() < 0.17,
        chance=random.random(),
    )


def boundaries(variant: str, since: str = "") -> list[Boundary]:
    """Where a move can be stopped: before and after each phase, or only where one of that name has ended."""
    phases, found = PHASES[variant], []
    for index, phase in enumerate(phases):
        which = phases[: index + 1].count(phase)
        found += [("started", phase, which), ("completed", phase, which)]
    return found[found.index(("completed", since, 1)) :] if since else found
