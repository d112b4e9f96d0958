"""Two hosts of one's own. Only what is called as the experiment calls its things is ever removed there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Self

from transship.bench.environment import Place
from transship.bench.job import Ends
from transship.bench.matrix import ImageFactor
from transship.bench.meter import machine_cpu_s
from transship.bench.pair import Meter, output
from transship.bench.result import Cache, Usage
from transship.bench.workload import CONTAINER, FLAT, VOLUME
from transship.errors import ConflictError, NotFoundError, PreflightError, UsageError
from transship.hosts import contexts
from transship.hosts.address import SshAddress
from transship.hosts.base import Host


@dataclass
class OwnPair:
    """A source and a target that other people may use too, each reached by ssh."""

    source: Host
    target: Host
    ends: Ends
    _lacked: dict[str, bool] = field(default_factory=dict)
    """Of each image, whether the target lacked it before the experiment."""
    place: Place = "hosts"

    @classmethod
    @contextmanager
    def connected(cls, ends: Ends) -> Iterator[Self]:
        """Connect to both, and leave them as they were found.

        Raises `UsageError` for an address that ssh does not reach, and `HostError`.
        """
        for address in (ends.source, ends.target):
            if not isinstance(contexts.resolve(address), SshAddress):
                raise UsageError(f"{address} is not reached by ssh", hint="an experiment needs ssh://[user@]host")
        with ExitStack() as stack:
            source, target = (stack.enter_context(ends.connect(each)) for each in (ends.source, ends.target))
            pair = cls(source, target, ends)
            try:
                yield pair
            finally:
                pair.leave()

    def provide(self, image: ImageFactor) -> str:
        if image.add_mb:
            raise UsageError(f"image {image.name} is one of the lab's: on hosts of one's own layers are not added")
        reference = image.reference or image.name
        if not _has_image(self.source, reference):
            self.source.docker.pull(reference)
        return reference

    def clear(self, reference: str, cache: Cache) -> None:
        self._remove_ours()
        there = _has_image(self.target, reference)
        self._lacked.setdefault(reference, not there)
        if cache == "warm" and not there:
            self.target.docker.load(self.source.docker.save([reference]))
        if cache == "cold" and there:
            if not self._lacked[reference]:
                raise PreflightError(
                    f"{self.target.name} has the image {reference}, and a cold cell needs it to lack it",
                    hint=f"if nobody needs it there: docker image rm {reference}",
                )
            self.target.docker.remove_image(reference)

    def leave(self) -> None:
        """Remove all that the experiment brought to the hosts, but for images that the source pulled."""
        self._remove_ours()
        for reference, lacked in self._lacked.items():
            if lacked and _has_image(self.target, reference):
                self.target.docker.remove_image(reference)

    def _remove_ours(self) -> None:
        for host in (self.source, self.target):
            _remove_from(host)

    def join_swarm(self) -> tuple[str, str]:
        raise UsageError("no swarm is made of hosts of one's own", hint="services are moved in the lab")

    def settle(self) -> None:
        for host in (self.source, self.target):
            output(host, "sync")

    def shape(self, mbit: float | None, delay_ms: float) -> None:
        if mbit is not None or delay_ms:
            raise UsageError("the links of hosts of one's own stay as they are", hint="leave [[link]] out")

    def carried(self) -> int | None:
        return None

    @contextmanager
    def metered(self) -> Iterator[Meter]:
        used: Meter = {}
        hosts = {"source": self.source, "target": self.target}
        before = {name: machine_cpu_s(host) for name, host in hosts.items()}
        yield used
        for name, host in hosts.items():
            then, now = before[name], machine_cpu_s(host)
            used[name] = Usage(None if then is None or now is None else round(now - then, 4), None)


def _has_image(host: Host, reference: str) -> bool:
    try:
        host.docker.inspect_image(reference)
    except NotFoundError:
        return False
    return True


def _remove_from(host: Host) -> None:
    """Remove the experiment's containers, its volume, and the images that moves made of the container."""
    for container in host.docker.containers():
        if any(_is_ours(name.lstrip("/")) for name in container["Names"]):
            host.docker.remove_container(container["Id"], volumes=True)
    for image in host.docker.list_images():
        for name in image["RepoTags"] or ():
            if name.startswith(FLAT):
                host.docker.remove_image(name)
    try:
        host.docker.remove_volume(VOLUME)
    except ConflictError as error:
        raise PreflightError(f"the volume {VOLUME} on {host.name} is in use by somebody else") from error


def _is_ours(container: str) -> bool:
    return container == CONTAINER or container.startswith(f"{CONTAINER}.moved-to.")
