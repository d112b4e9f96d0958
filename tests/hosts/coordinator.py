"""A coordinator in a process of its own, with a keeper on duty: it waits for the test to end it, in whatever way.

usage: coordinator.py ALIAS USER WAY SSH_CONFIG CONTAINER_ID; it is about to stop the source. On each line that comes it
prints why its keeper is lost.
"""

import sys
from pathlib import Path
from typing import cast, get_args

from tests.agent.migrations import a_record
from transship.hosts.address import SshAddress
from transship.hosts.facts import RootAccess
from transship.hosts.keeper import start_keeper
from transship.hosts.ssh import SshHost


def main(alias: str, user: str, way: str, ssh_config: str, container: str) -> None:
    assert way in get_args(RootAccess)
    with (
        SshHost("h1", SshAddress(alias, user), config=Path(ssh_config)) as host,
        start_keeper(host, cast("RootAccess", way)) as keeper,
    ):
        keeper.keep(a_record(container_id=container), "source", [f"container:{container}"])
        for stage in ("fenced", "stopping"):
            keeper.write(a_record(container_id=container, stage=stage))
        print("ready", flush=True)  # noqa: T201
        for _ in sys.stdin:
            print(keeper.lost, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
