"""What the kernel does for a program goes on with it: a watch on a folder, a timer that goes off again and again."""

import pytest

from tests.live.moving import left_behind
from tests.move.conftest import Hosts, wait_for
from transship.lab.node import Node

pytestmark = pytest.mark.lab

PROGRAM = """
import ctypes, os, struct, threading, time
libc = ctypes.CDLL(None)
os.makedirs("/watched/deep")
watch, timer = libc.inotify_init1(0), libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
libc.inotify_add_watch(watch, b"/watched/deep", 0x100)
libc.timerfd_settime(timer, 0, struct.pack("@4l", 0, 20_000_000, 0, 20_000_000), None)
def note(name, text):
    with open("/new", "w") as file:
        file.write(text)
    os.rename("/new", name)
def read_watch():
    while True:
        note("/seen", os.read(watch, 4096)[16:].rstrip(b"\\0").decode())
threading.Thread(target=read_watch).start()
ticks = 0
while True:
    ticks += struct.unpack("Q", os.read(timer, 8))[0]
    os.write(1, b"%d\\n" % ticks)
"""


def ticks(node: Node) -> int:
    told = node.output(["docker", "logs", "--tail", "1", "program"])
    return int(told or 0)


@pytest.mark.parametrize("mode", [(), ("--post-copy",)], ids=["copied", "following"])
def test_watches_and_timers_go_on(hosts: Hosts, large_pipes: None, mode: tuple[str, ...]) -> None:
    hosts.lab.load(hosts.h1, "python")
    hosts.h1.output(["docker", "run", "-d", "--name", "program", "python", "python3", "-c", PROGRAM])
    wait_for(lambda: ticks(hosts.h1) > 0)
    hosts.h1.output(["docker", "exec", "program", "touch", "/watched/deep/before"])
    moved = hosts.move("program", "--strategy", "live", "--yes", "--json", *mode)
    assert moved.code == 0, moved.err
    wait_for(lambda: ticks(hosts.h2) > 0)
    begun = ticks(hosts.h2)
    wait_for(lambda: ticks(hosts.h2) > begun + 5)

    def seen() -> str:
        return hosts.h2.output(["docker", "exec", "program", "cat", "/seen"])

    assert seen() == "before"
    hosts.h2.output(["docker", "exec", "program", "touch", "/watched/deep/after"])
    wait_for(lambda: seen() == "after")
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""
