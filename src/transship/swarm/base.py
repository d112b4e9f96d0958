from collections.abc import Mapping
from typing import Any, Protocol

from transship.hosts.base import Json


class Swarm(Protocol):
    """What a manager of a swarm is asked and told, in Docker's own documents.

    Errors are those of `hosts.base.Docker`; `DockerDownError` also while the managers have no leader. A change names
    the version that it was made from; where somebody else has changed the object since, it is refused with a
    `DockerError` ("update out of sequence") and nothing was changed. After a lost answer, and one without a leader,
    nothing is known of the effect: ask. `ref` is a name or an id.
    """

    def info(self) -> Json:
        """The daemon's own description; its member `Swarm` says what it is in the swarm."""
        ...

    def nodes(self) -> list[Json]: ...
    def node(self, ref: str) -> Json: ...
    def services(self) -> list[Json]: ...
    def service(self, ref: str) -> Json: ...

    def tasks(self, service: str = "") -> list[Json]:
        """The tasks of one service, or of all: also the few ended ones that the swarm remembers."""
        ...

    def update_service(self, ref: str, version: int, spec: Mapping[str, Any]) -> None:
        """Give a service another spec. The credentials of its registry stay those that it has."""
        ...

    def update_node(self, ref: str, version: int, spec: Mapping[str, Any]) -> None: ...

    def create_service(self, spec: Mapping[str, Any]) -> str:
        """Create a service and return its id."""
        ...

    def remove_service(self, ref: str) -> None:
        """Not there (any more): fine."""
        ...
