"""Two hosts of one's own. Only what is called as the experiment calls its things is ever removed there."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from transship.bench.by_hand import MARK
from transship.bench.environment import Place
from transship.bench.job import Ends
from transship.bench.matrix import ImageFactor
from transship.bench.meter import machine_cpu_s
from transship.bench.methods import method
from transship.bench.pair import Cells, Meter, SceneError, output
from transship.bench.result import Cache, Usage
from transship.bench.store import ResultFolder
from transship.bench.workload import CONTAINER, FLAT, VOLUME
from transship.errors import ConflictError, DockerError, NotFoundError, PreflightError, UsageError
from transship.hosts import contexts
from transship.hosts.address import SshAddress
from transship.hosts.base import Host
from transship.sandbox.image import ARCHITECTURES, image_name

_END_PROGRAMS = b"""
for file in $(grep -ls "$1" /proc/[0-9]*/environ); do
    process=${file#/proc/}
    kill -KILL "${process%/environ}" 2>/dev/null
done
exit 0
"""


@dataclass
class OwnPair:
    """A source and a target that other people may use too, each reached by ssh.

    `folder` remembers the images that the target lacked before the experiment, for whoever resumes it.
    """

    source: Host
    target: Host
    ends: Ends
    folder: ResultFolder
    place: Place = "hosts"

    @classmethod
    @contextmanager
    def connected(cls, ends: Ends, folder: ResultFolder) -> Iterator[Self]:
        """Connect to both, and leave them as they were found.

        Raises `UsageError` for an address that ssh does not reach, and `HostError`.
        """
        for address in (ends.source, ends.target):
            if not isinstance(contexts.resolve(address), SshAddress):
                raise UsageError(f"{address} is not reached by ssh", hint="an experiment needs ssh://[user@]host")
        with ExitStack() as stack:
            source, target = (stack.enter_context(ends.connect(each)) for each in (ends.source, ends.target))
            pair = cls(source, target, ends, folder)
            try:
                yield pair
            finally:
                pair.leave()

    def objections(self, cells: Cells) -> Iterable[str]:
        self._remove_ours()  # what a killed experiment left is nobody else's
        if any(cell.link_mbit is not None or cell.delay_ms for cell, _ in cells):
            yield "the links of hosts of one's own stay as they are: leave [[link]] out"
        if any(method(cell.method).kind == "service" for cell, _ in cells):
            yield "no swarm is made of hosts of one's own: services are moved in the lab"
        for image in dict.fromkeys(image for _, image in cells):
            if image.add_mb:
                yield f"image {image.name} is one of the lab's: on hosts of one's own layers are not added"
                continue
            try:
                reference = self.provide(image)
                if any(cell.cache == "cold" and of == image for cell, of in cells):
                    self._refuse_warmth(reference)
            except DockerError as error:
                yield f"image {image.name} cannot be had on {self.source.name}: {error}"
            except PreflightError as error:
                yield f"{error}; {error.hint}"

    def provide(self, image: ImageFactor) -> str:
        reference = image.reference or image.name
        if not _has_image(self.source, reference):
            self.source.docker.pull(reference)
        return reference

    def clear(self, reference: str, cache: Cache) -> None:
        self._remove_ours()
        there = _has_image(self.target, reference)
        if not there:
            self._note(reference)
        if cache == "warm" and not there:
            self.target.docker.load(self.source.docker.save([reference]))
        if cache == "cold":
            self._refuse_warmth(reference)
            if there:
                self.target.docker.remove_image(reference)

    def _note(self, reference: str) -> None:
        """Have the experiment remove what it brings from now on, with the image of the sandbox that `live` makes."""
        brought = self.folder.brought()
        lacked = [reference, *(each for each in _SANDBOXES if not _has_image(self.target, each))]
        if missing := [each for each in lacked if each not in brought]:
            self.folder.note_brought((*brought, *missing))

    def _refuse_warmth(self, reference: str) -> None:
        """Raise `PreflightError` where the target has the image, or a layer of it, from somebody else."""
        brought, layers = self.folder.brought(), set(_layers(self.source, reference))
        if _has_image(self.target, reference) and reference not in brought:
            raise PreflightError(
                f"{self.target.name} has the image {reference}, and a cold cell needs it to lack it",
                hint=f"if nobody needs it there: docker image rm {reference}",
            )
        for image in self.target.docker.list_images():
            names = image["RepoTags"] or [image["Id"]]
            if not set(names) <= set(brought) and layers & set(_layers(self.target, image["Id"])):
                raise PreflightError(
                    f"{self.target.name} has layers of {reference} in the image {names[0]}, and a cold cell needs it "
                    "to lack them",
                    hint="take an image that shares nothing with those that are there, or warm cells only",
                )

    def leave(self) -> None:
        """Remove all that the experiment brought to the hosts, but for images that the source pulled."""
        self._remove_ours()
        for reference in self.folder.brought():
            if _has_image(self.target, reference):
                self.target.docker.remove_image(reference)
        self.folder.note_brought(())

    def _remove_ours(self) -> None:
        for host in (self.source, self.target):
            _remove_from(host)

    def join_swarm(self) -> tuple[str, str]:
        raise SceneError("no swarm is made of hosts of one's own")

    def settle(self) -> None:
        for host in (self.source, self.target):
            output(host, "sync")

    def shape(self, mbit: float | None, delay_ms: float) -> None:
        if mbit is not None or delay_ms:
            raise SceneError("the links of hosts of one's own stay as they are")

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


_SANDBOXES = tuple(map(image_name, ARCHITECTURES))


def _has_image(host: Host, reference: str) -> bool:
    try:
        host.docker.inspect_image(reference)
    except NotFoundError:
        return False
    return True


def _layers(host: Host, image: str) -> list[str]:
    """By the digests of what is in them."""
    return list(host.docker.inspect_image(image)["RootFS"].get("Layers") or ())


def _remove_from(host: Host) -> None:
    """End the experiment's programs, and remove its containers, its volume, and images that were made of them."""
    output(host, "sh", "-s", "--", MARK, stdin=_END_PROGRAMS)
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
    return container in {CONTAINER, f"{CONTAINER}-sandbox"} or container.startswith(f"{CONTAINER}.moved-to.")
