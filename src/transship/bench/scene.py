"""The state from which a run begins, and what of it the target has afterwards."""

import time
from dataclasses import dataclass, replace

from transship.bench.by_hand import wait_serving
from transship.bench.job import Job
from transship.bench.matrix import ImageFactor
from transship.bench.methods import IMAGE, MEMORY, method
from transship.bench.pair import Pair, SceneError, output
from transship.bench.result import Cell, Kept
from transship.bench.workload import CONTAINER, LABEL, VOLUME, WORKLOADS, Scene
from transship.errors import PreflightError, TransshipError, UnhealthyError, UsageError
from transship.hosts.base import Host
from transship.metrics.downtime import Probe
from transship.observe.source import read_spec
from transship.spec.compare import differences
from transship.spec.model import ContainerSpec

_WRITING_S = 600.0
_LONGEST = 16
"""Digits of a number of bytes: more than any host has."""

_SETTINGS_ASIDE = ("image", "config.AttachStdout", "config.AttachStderr")
"""The image is told apart, and to what `docker create` or `docker run` was attached is no setting of a service."""

_COMPRESSED = b'docker save "$1" | zstd -3 --quiet --stdout | wc -c'


@dataclass(frozen=True, slots=True)
class Prepared:
    """A container that serves on the source with its state, and how it can be known again.

    `nodes` are the hosts' names in the swarm where it is the task of a service. `minimum_bytes` has to cross: what the
    target lacks and the method takes along; None where nobody can compress there.
    """

    scene: Scene
    nodes: tuple[str, ...]
    spec: ContainerSpec
    starts: tuple[str, ...]
    digest: str
    minimum_bytes: int | None


class Stage:
    """Sets the scene of each run between two hosts, and raises `SceneError` where it cannot."""

    def __init__(self, pair: Pair, port: int) -> None:
        self._pair = pair
        self._port = port
        self._compressed: dict[str, int | None] = {}

    def prepare(self, cell: Cell, image: ImageFactor) -> Prepared:
        """Clear both hosts and start the container of `cell` on the source, with its state written and on the disk.

        Raises `UsageError` and `PreflightError` for what these hosts will never do.
        """
        try:
            return self._prepare(cell, image)
        except (SceneError, UsageError, PreflightError):
            raise
        except TransshipError as error:
            raise SceneError(f"the scene of a run cannot be set: {error}", hint=error.hint) from error

    def _prepare(self, cell: Cell, image: ImageFactor) -> Prepared:
        pair = self._pair
        pair.shape(None, 0.0)
        reference = pair.provide(image)
        pair.clear(reference, cell.cache)
        scene = Scene(cell, WORKLOADS[image.workload], reference, self._port)
        nodes = self._start(scene)
        wait_serving(Probe.parse(scene.probe), pair.source)
        container = _running(pair.source)
        if container is None:
            raise SceneError(f"the container of a run does not run on {pair.source.name}")
        if cell.state_bytes:
            argv, script = scene.write_state(container)
            output(pair.source, *argv, stdin=script, timeout=_WRITING_S)
        starts, digest = _state(pair.source, scene, container)
        if len(starts) != 1:
            raise SceneError(f"the container of a run on {pair.source.name} was started {len(starts)} times")
        spec = read_spec(pair.source.docker, pair.source.docker.inspect_container(container))
        minimum = self._minimum_bytes(scene)  # which reads the image: that must not warm the cache
        pair.settle()
        pair.shape(cell.link_mbit, cell.delay_ms)
        return Prepared(scene, nodes, spec, starts, digest, minimum)

    def _start(self, scene: Scene) -> tuple[str, ...]:
        """Start the container on the source; a service is made while the target takes no tasks."""
        source = self._pair.source
        if scene.mount:
            output(source, "docker", "volume", "create", VOLUME)
        if method(scene.cell.method).kind != "service":
            output(source, *scene.run())
            return ()
        nodes = self._pair.join_swarm()
        output(source, "docker", "node", "update", "--availability", "pause", nodes[1])
        output(source, *scene.serve())
        wait_serving(Probe.parse(scene.probe), source)
        output(source, "docker", "node", "update", "--availability", "active", nodes[1])
        return nodes

    def job(self, prepared: Prepared, state_dir: str) -> Job:
        """The move of what was prepared."""
        scene = prepared.scene
        return Job(
            method=scene.cell.method,
            options=scene.cell.options,
            ends=self._pair.ends,
            container=CONTAINER,
            image=scene.reference,
            volume=VOLUME if scene.mount else "",
            settings=tuple(scene.settings),
            command=tuple(scene.command),
            probe=scene.probe,
            state_dir=state_dir,
            nodes=prepared.nodes,
        )

    def _minimum_bytes(self, scene: Scene) -> int | None:
        cell, carries = scene.cell, method(scene.cell.method).carries
        state = cell.state_bytes if cell.where in carries else 0
        state += cell.memory_bytes if MEMORY in carries else 0
        if cell.cache == "warm" or IMAGE not in carries:
            return state
        image = self._compressed_bytes(scene.reference)
        return None if image is None else image + state

    def _compressed_bytes(self, reference: str) -> int | None:
        if reference not in self._compressed:
            done = self._pair.source.run(["sh", "-s", "--", reference], stdin=_COMPRESSED, timeout=_WRITING_S)
            self._compressed[reference] = counted(done.stdout.strip()) or None  # without zstd there is nothing
        return self._compressed[reference]

    def kept(self, before: Prepared) -> Kept:
        """What the target has of what was prepared. Raises `StepError` where nothing runs, or it cannot be asked."""
        host, cell = self._pair.target, before.scene.cell
        self._pair.shape(None, 0.0)
        container = _running(host)
        if container is None:
            raise UnhealthyError(f"the container does not run any more on {host.name}")
        spec = read_spec(host.docker, host.docker.inspect_container(container))
        starts, digest = _state(host, before.scene, container)
        of_swarm = bool(before.nodes)  # its settings are those of the service, which has not moved
        kept = Kept(
            image=spec.image.diff_ids == before.spec.image.diff_ids,
            settings=None if of_swarm else not differences(before.spec, spec, ignore=_SETTINGS_ASIDE),
            memory=starts == before.starts,
        )
        same = digest == before.digest
        if cell.where == "layer":
            return replace(kept, layer=same)
        return replace(kept, volume=same) if cell.where == "volume" else kept


def counted(told: bytes) -> int:
    """The number that a host has printed; 0 for all that is none."""
    return int(told) if told.isdigit() and len(told) < _LONGEST else 0


def _running(host: Host) -> str | None:
    """The experiment's container that runs on a host: its name is the task's where it is one of a service."""
    for each in host.docker.containers():
        if each["State"] == "running" and LABEL in (each["Labels"] or {}):
            return str(each["Id"])
    return None


def _state(host: Host, scene: Scene, container: str) -> tuple[tuple[str, ...], str]:
    """A line for each start of the container's processes, and the digest of its state."""
    argv, script = scene.tell_state(container)
    deadline = time.monotonic() + 10.0
    while True:  # a container that has just started may not have written its line yet
        *starts, digest = output(host, *argv, stdin=script, timeout=_WRITING_S).split("\n")[:-1] or [""]
        if starts or time.monotonic() > deadline:
            return tuple(starts), digest
        time.sleep(0.05)
