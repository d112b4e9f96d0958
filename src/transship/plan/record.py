from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Stage = Literal["preparing", "fenced", "stopping", "released", "committed", "restored", "forward", "ended"]
"""How far a migration is, and so who may run the container.

`preparing`: the source serves, and nothing was done to it. `fenced`: its restart policy is off. `stopping`: it may have
been told to stop. Up to here only the source may run. `released`: only the target may. `committed`: the target serves
for good. `restored` and `forward` are written by a keeper whose coordinator was lost: it has brought the source back,
or has started the target. `ended`: nothing is left to do.
"""

StepEvent = Literal["intent", "done"]
"""What is written down of a step: before it is begun, and when it has come to a good end."""

Memory = Literal["", "copied", "following"]
"""Whether the processes go on with their memory, and in which order.

Empty: they begin anew. `copied`: all of it is on the target before they go on there. `following`: they go on first, and
until `committed` neither host has everything: what they have done since is on the target, in memory that may be
incomplete, and what is still missing there is on the source, whose processes are frozen as they were.
"""

STAGES: tuple[Stage, ...] = get_args(Stage)
FORMAT = 2
"""The version of a stored record. Another one is not read."""


@dataclass(frozen=True, slots=True)
class End:
    """One host of a migration: what the user called it (`name`, an address), and the id of its Docker daemon."""

    name: str
    daemon: str


@dataclass(frozen=True, slots=True)
class Provided:
    """What was done to a path on the target. `made` are the names that were not there, the outermost first.

    Where there are none, the path was there, empty, and `owner` (uid, gid, mode) had it.
    """

    path: str
    made: tuple[str, ...]
    owner: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loading:
    """An image on its way, which has no name before it has arrived: told by its layers (diff ids; none: no image).

    `others` are the target's own nameless images of the same layers: they were there before.
    """

    layers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass
class Made:
    """What may exist on the target because of this migration.

    A name is put in before the thing is made, so that nothing that exists is missing; the id (networks, the container)
    follows when the host has answered, and is empty until then. `volumes` tells when each was made, in Docker's words,
    which tells it from a later one of its name; empty until then, too. `image` is the image's id on the target, `tags`
    the names that it was given there, `pulled` those under which it was pulled, `flat` the name of an image made from
    the container's filesystem. `copying`: data has begun to cross, which a second try can go on from. `revived` is the
    name that the container had before, where it is one of an earlier migration: it is given back, and nothing removed.
    `sandbox` is the id of the container that has the network of one that moves with its memory (`sandboxing`: it is
    about to be made), `sandbox_image` the name of its image, if it was not there.
    """

    image: str = ""
    loading: Loading = Loading()
    flat: str = ""
    pulled: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    networks: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    provided: list[Provided] = field(default_factory=list)
    creating: bool = False
    container: str = ""
    sandboxing: bool = False
    sandbox: str = ""
    sandbox_image: str = ""
    copying: bool = False
    revived: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """All that must be known of a migration to end it, from any machine that reaches both hosts.

    It holds names, ids and addresses, and nothing of the container's environment, labels or files: it is kept on both
    hosts. It says what may exist, never what is: that is observed.

    `begun` is the coordinator's time (ISO 8601, UTC), `coordinator` says who began it. `since` is the target's time
    when nothing had been made there yet: what is older is not ours. `container_id` and `container` are the source's id
    and name, `arriving` is its name on the target. `restart_policy` is the one that the source had, `running` whether
    it ran, `freeze` whether it is frozen rather than stopped. `retire` says what becomes of it, `retired_name` what it
    is then called. `lender` is the id of the container that lends the source its network, where it was moved live
    before: what becomes of the source becomes of that one, too. `memory` says whether the processes go on with theirs.
    `returns` is the migration that this one goes back on, or empty. `outcome` and `detail` say how it ended.
    """

    id: str
    begun: str
    coordinator: str
    since: str
    strategy: str
    container: str
    container_id: str
    arriving: str
    running: bool
    restart_policy: Mapping[str, Any]
    freeze: bool
    retire: Literal["keep", "remove"]
    retired_name: str
    source: End
    target: End
    made: Made = field(default_factory=Made)
    stage: Stage = "preparing"
    memory: Memory = ""
    lender: str = ""
    returns: str = ""
    outcome: str = ""
    detail: str = ""

    @property
    def settles(self) -> bool:
        """Whether source and target are on the same host: the target takes the source's name when that is gone."""
        return self.strategy == "settle"
