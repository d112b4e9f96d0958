"""What is seen of a migration, what may be told about it, and what is decided."""

from dataclasses import dataclass
from typing import Literal

from transship.plan.record import Record, Stage

Kind = Literal["nothing", "wait", "bring-back", "clean-up", "finish", "ask"]
"""`nothing`: it has ended. `wait`: somebody is at work. `bring-back`: the source is made to serve again. `clean-up`: it
serves, or is none of our business any more; only the target is to be cleaned up. `finish`: the target serves, and the
source is retired. `ask`: a person must say something first."""

Action = Literal[
    "stop-target",
    "restore-source",
    "return-policy",
    "clean-target",
    "stop-source",
    "start-target",
    "settle-target",
    "prove-target",
    "commit",
    "retire-source",
    "set-source-aside",
    "end",
]
"""To be carried out in the order given, each only when the one before has succeeded. See `_WORDS`."""

Offer = Literal["--source-is-lost", "--target-is-lost", "--keep source", "--keep target"]
Side = Literal["source", "target"]

_WORDS: dict[Action, str] = {
    "stop-target": "stop {arriving} on {there}, and see that it does not start by itself",
    "restore-source": "make {container} on {here} run as before, with its restart policy and its name; a stop "
    "or freeze that was cut off is waited for first",
    "return-policy": "give {container} on {here} back its restart policy and its name",
    "clean-target": "remove from {there} what the migration made there, with all that was written to it since",
    "stop-source": "stop {container} on {here}, and see that it does not start by itself",
    "start-target": "start {arriving} on {there} (a frozen one goes on), once it is certain that {container} does not "
    "run on {here}",
    "settle-target": "give {arriving} on {there} its restart policy",
    "prove-target": "wait until {arriving} serves on {there}",
    "commit": "write down on both hosts that {there} serves for good",
    "retire-source": "{retire}",
    "set-source-aside": "rename {container} on {here} to {retired_name}; it is not removed",
    "end": "write down wherever it is known that the migration has ended",
}

_GIVEN_BACK = "call {arriving} on {there} {revived} again, and remove only what the migration made beside it"
"""`clean-target` where the migration has made no container of its own."""

_OFFERED: dict[Offer, str] = {
    "--source-is-lost": "only if you know that {here}, or its disk, is gone for good",
    "--target-is-lost": "only if you know that {there}, or its disk, is gone for good",
    "--keep source": "the copy on {here} is to serve; what the migration made on {there} is removed",
    "--keep target": "the copy on {there} is to serve; that on {here} is set aside, not removed",
}
_OFFERED_BACK = "the copy on {here} is to serve; that on {there} is set aside, not removed"
"""`--keep source` where the migration has made no container of its own."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed of one side of a migration. Of a host that was not `reachable`, nothing else counts.

    `present`: the container is there, by its id; by its name and age where the id is not known. `state` is Docker's
    word for it; `ran`: it was started at least once; `policy` is the name of its restart policy. `stage` is that of
    the record on this host, None where there is none. `held`: a keeper that lives has locked the migration there.
    """

    reachable: bool
    present: bool = False
    state: str = ""
    ran: bool = False
    health: Literal["none", "starting", "healthy", "unhealthy"] = "none"
    policy: str = ""
    stage: Stage | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What the user asserts: that a host or its disk is `lost`, and which copy to `keep` where only they can know."""

    lost: Literal["", "source", "target"] = ""
    keep: Literal["", "source", "target"] = ""


NOTHING_TOLD = Told()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a migration, and `why`, in one or two sentences.

    `offers` is what may be told where `kind` is `ask`.
    """

    kind: Kind
    why: str
    actions: tuple[Action, ...] = ()
    offers: tuple[Offer, ...] = ()

    def in_words(self, record: Record) -> tuple[str, ...]:
        """The actions, for a person."""
        words = _WORDS | ({"clean-target": _GIVEN_BACK} if record.made.revived else {})
        return tuple(words[action].format_map(_names(record)) for action in self.actions)

    def choices(self, record: Record) -> dict[Offer, str]:
        """What each offer means, or presumes, for a person."""
        words = _OFFERED | ({"--keep source": _OFFERED_BACK} if record.made.revived else {})
        return {offer: words[offer].format_map(_names(record)) for offer in self.offers}


def _names(record: Record) -> dict[str, str]:
    kept = f"rename {record.container} on {record.source.name} to {record.retired_name}"
    return {
        "here": record.source.name,
        "there": record.target.name,
        "container": record.container,
        "arriving": record.arriving,
        "revived": record.made.revived,
        "retire": kept if record.retire == "keep" else f"remove {record.container} on {record.source.name}",
        "retired_name": record.retired_name,
    }
