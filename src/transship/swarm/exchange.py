"""What adopting a container and releasing a service share: one becomes the other on the node where it is."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from transship.errors import PreflightError, UnhealthyError
from transship.hosts.base import Host
from transship.metrics.events import Recorder
from transship.observe.listed import alive
from transship.plan.findings import Agreement, Finding
from transship.swarm.base import Swarm

OF_SWARM = "com.docker.swarm."
"""How the labels begin that Swarm gives the containers of its tasks."""
TIMEOUT_S = 120.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came of it: `name` is what the service or container is called that runs now, on `node`.

    `left` is the name of a container that was stopped for it and stays, or empty. `differences` could not be kept.
    """

    name: str
    node: str
    left: str
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A host that is a node of the swarm, a manager, and who is asked about the differences."""

    swarm: Swarm
    host: Host
    recorder: Recorder
    agreed: Agreement

    def ask(self, differences: Sequence[str]) -> None:
        """Raise `PreflightError` unless somebody agrees to what cannot be kept."""
        findings = [Finding("warning", "not-kept", f"{each} is not kept") for each in differences]
        if findings and not self.agreed(findings):
            raise PreflightError(f"nobody agreed to lose {', '.join(differences)}", hint="--yes accepts that")

    def await_end(self, service: str) -> None:
        """Wait until no container of a service runs on the host: volumes and ports are free then."""
        deadline = time.monotonic() + TIMEOUT_S
        while any((each.get("Labels") or {}).get(f"{OF_SWARM}service.id") == service
                  for each in alive(self.host.docker.containers())):  # fmt: skip
            if time.monotonic() > deadline:
                raise UnhealthyError(f"a task of the service still runs on {self.host.name} after {TIMEOUT_S:g} s")
            threading.Event().wait(_POLL_S)
