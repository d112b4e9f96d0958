"""A coordinator in a process of its own: connects, says so, and then ends in the way that the test wants.

usage: held.py ADDRESS SSH_CONFIG; prints the pids of its ssh processes and the folder of their sockets.
"""

import signal
import sys
import threading
from pathlib import Path

from transship.hosts.open import open_host
from transship.hosts.ssh import SshHost


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(address: str, ssh_config: str) -> None:
    with open_host(address, ssh_config=Path(ssh_config)) as host:
        threading.Thread(target=host.run, args=(["sleep", "300"],), kwargs={"timeout": 300}, daemon=True).start()
        assert isinstance(host, SshHost)
        master = host._master
        assert master
        try:
            say(f"{master._process.pid} {master.folder}")
            signal.pause()
        except KeyboardInterrupt:
            host.docker.ping()
            say(host.run(["echo", "undone"]).stdout.decode().strip())
            signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
