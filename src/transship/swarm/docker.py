import json
import re
from collections.abc import Mapping
from typing import Any

import requests

from transship.errors import DockerDownError, DockerError, NotFoundError
from transship.hosts.base import Json
from transship.hosts.daemon_requests import DaemonRequests, word

_UNDECIDED = re.compile(
    r"does not have a leader|no elected cluster leader|lost leader status|not yet part of a raft cluster|"
    r"has trouble connecting to the cluster|code = Unavailable|code = DeadlineExceeded|context deadline exceeded|"
    r"request: node is stopped",
    re.IGNORECASE,
)
"""What a manager says while there is no leader that could decide, or none that it can ask."""


class ApiSwarm(DaemonRequests):
    """The port `Swarm` over the API of a daemon that is a manager."""

    def info(self) -> Json:
        return self._json("GET", "/info", what="describe itself")

    def nodes(self) -> list[Json]:
        return self._list("/nodes", what="list the swarm's nodes")

    def node(self, ref: str) -> Json:
        return self._json("GET", f"/nodes/{word(ref)}", what=f"inspect node {ref}")

    def services(self) -> list[Json]:
        return self._list("/services", what="list services")

    def service(self, ref: str) -> Json:
        return self._json("GET", f"/services/{word(ref)}", what=f"inspect service {ref}")

    def tasks(self, service: str = "") -> list[Json]:
        params = {"filters": json.dumps({"service": {service: True}})} if service else {}
        return self._list("/tasks", params=params, what="list tasks")

    def update_service(self, ref: str, version: int, spec: Mapping[str, Any]) -> None:
        path = f"/services/{word(ref)}/update"
        self._done("POST", path, params={"version": version}, body=spec, what=f"change service {ref}")

    def update_node(self, ref: str, version: int, spec: Mapping[str, Any]) -> None:
        path = f"/nodes/{word(ref)}/update"
        self._done("POST", path, params={"version": version}, body=spec, what=f"change node {ref}")

    def create_service(self, spec: Mapping[str, Any]) -> str:
        name = spec.get("Name", "")
        made = self._json("POST", "/services/create", body=spec, what=f"create service {name}").get("ID")
        if not isinstance(made, str) or not made:
            raise DockerError(f"Docker on {self._way.name} created service {name} without naming its id")
        return made

    def remove_service(self, ref: str) -> None:
        try:
            self._done("DELETE", f"/services/{word(ref)}", what=f"remove service {ref}")
        except NotFoundError:
            return

    def _request(self, *args: Any, **words: Any) -> requests.Response:
        try:
            return super()._request(*args, **words)
        except DockerError as error:
            if _UNDECIDED.search(str(error)):
                raise DockerDownError(
                    str(error), hint="docker node ls tells which managers are gone; more than half of them are needed"
                ) from error
            raise
