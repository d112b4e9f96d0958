"""A container's network is silenced, and speaks again, as it was before."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.lab

ACTS = """
import subprocess
from pathlib import Path
from transship.agent import netns

retries = Path("/proc/sys/net/ipv4/tcp_retries2")

def seen():
    queues = subprocess.run(["tc", "qdisc", "show", "dev", "out"], capture_output=True, text=True, check=True).stdout
    print("limit 1b" in queues, "bfifo" in queues, retries.read_text().strip())

subprocess.run(["ip", "link", "add", "out", "type", "veth", "peer", "name", "in"], check=True)
subprocess.run(["ip", "link", "set", "out", "up"], check=True)
retries.write_text("7")
for act in (netns.speak, netns.mute, netns.mute, netns.speak, netns.mute, netns.speak, netns.calm, netns.calm):
    act()
    seen()
"""


def test_what_is_muted_twice_speaks_again_with_the_patience_that_it_had() -> None:
    words = ["unshare", "--net", "--", sys.executable, "-c", ACTS]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    silent, heard, before = "True True 255", "False True 255", "False False 7"
    assert done.stdout.splitlines() == [before, silent, silent, heard, silent, heard, before, before]
