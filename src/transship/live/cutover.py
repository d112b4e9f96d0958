"""How the processes get from one host to the other while nobody serves."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from transship.errors import StepError
from transship.hosts.base import Json
from transship.lender import POLICY as SANDBOX_POLICY
from transship.live.memory import Memory, memory_of
from transship.plan.steps import Move, Step


@dataclass(frozen=True, slots=True)
class FreezeMemory:
    """Freeze the source where it stands, and let nothing of it be heard where its connections go on elsewhere."""

    phase: str = "freeze"

    def describe(self) -> str:
        return "freeze the source"

    def run(self, move: Move) -> None:
        move.custody.advance("stopping")
        memory_of(move).source.freeze()


@dataclass(frozen=True, slots=True)
class CarryOver:
    """Write down what the processes are and carry that over, while other agents do `meanwhile` what files need."""

    meanwhile: tuple[Step, ...]
    phase: str = ""

    def describe(self) -> str:
        files = "; ".join(step.describe() for step in self.meanwhile)
        return f"write down the processes and carry them over; meanwhile: give the target its address; {files}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` with CRIU's own reason, and what the other steps raise."""
        memory = memory_of(move)
        with ThreadPoolExecutor(2) as pool:
            files = pool.submit(_in_order, self.meanwhile, move)
            connected = pool.submit(_connect, memory, move)
            with move.recorder.phase("dump") as phase:
                phase.advance(memory.source.dump(lazily=memory.way is not None))
            connected.result()  # whose agent takes the images
            with move.recorder.phase("memory") as phase:
                sent = memory.pair.forth({"do": "deliver", "codec": memory.pair.codec}, {"do": "collect"})
                phase.advance(sent.bytes)
            _count(move, sent.bytes, int(sent.receiver["bytes"]))
            with move.recorder.phase("serve"):
                memory.target.serve()
                if memory.way:
                    memory.way.open()
            files.result()


def _in_order(steps: Sequence[Step], move: Move) -> None:
    for step in steps:
        with move.recorder.phase(step.phase, step.describe()):
            step.run(move)


def _connect(memory: Memory, move: Move) -> None:
    with move.recorder.phase("connect"):
        memory.target.connect()


def _count(move: Move, wire: int, size: int) -> None:
    measured = move.measured
    measured.bytes["memory"] = measured.bytes.get("memory", 0) + wire
    measured.sizes["memory"] = measured.sizes.get("memory", 0) + size


@dataclass(frozen=True, slots=True)
class GoOn:
    """Have the processes go on on the target."""

    phase: str = ""

    def describe(self) -> str:
        return "have the processes go on on the target, and tell its neighbours"

    def run(self, move: Move) -> None:
        """Raises `StepError` with CRIU's own reason."""
        target = memory_of(move).target
        with move.recorder.phase("restore"):
            target.restore()
        with move.recorder.phase("open"):
            target.open()


@dataclass(frozen=True, slots=True)
class CloseConnections:
    """After the point of no return: have clients hear that their connections end, when the source is killed next."""

    phase: str = "close"

    def describe(self) -> str:
        return "let the source tell its clients that their connections end"

    def run(self, move: Move) -> None:
        memory_of(move).source.speak()


@dataclass(frozen=True, slots=True)
class AwaitMemory:
    """Wait until all memory is on the target, and let its two containers restart by themselves from then on."""

    restart_policy: Json
    phase: str = "pages"

    def describe(self) -> str:
        return "wait until all memory is on the target"

    def run(self, move: Move) -> None:
        """Raises `TransferError` where pages are missing: the processes were ended, rather than go on without."""
        memory, docker = memory_of(move), move.target.docker
        while not memory.target.finished():
            if not docker.inspect_container(memory.target.container)["State"]["Running"]:
                raise StepError(f"the processes ended on {move.target.name} before all of their memory had come")
        if memory.way:
            _count(move, memory.way.bytes, memory.way.bytes)
        docker.set_restart_policy(memory.target.sandbox, SANDBOX_POLICY)
        docker.set_restart_policy(memory.target.container, self.restart_policy)
