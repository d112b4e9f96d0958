"""The container that lends the source its network, where that was moved live before: it goes where the source goes."""

from contextlib import suppress

from transship.errors import NotFoundError
from transship.hosts.base import Docker
from transship.plan.record import Record
from transship.sandbox.whole import sandbox_name

POLICY = {"Name": "always"}
"""The restart policy of a sandbox."""


def stop_lender(docker: Docker, record: Record) -> None:
    """Have the source's host give up its addresses and ports. The source has been stopped."""
    if record.lender:
        with suppress(NotFoundError):
            docker.stop(record.lender, grace=0)


def lend_again(docker: Docker, record: Record) -> None:
    """Have it as it was, before the source is started."""
    if record.lender:
        docker.set_restart_policy(record.lender, POLICY)
        docker.start(record.lender)
        _call(docker, record.lender, sandbox_name(record.container))


def retire_lender(docker: Docker, record: Record) -> None:
    """After the source has been retired: the same becomes of it. Its settled successor gets the name. Twice is fine."""
    if not record.lender:
        return
    if record.retire == "remove":
        docker.remove_container(record.lender)
        if record.settles:
            _call(docker, record.made.container, record.container)
        return
    with suppress(NotFoundError):
        docker.set_restart_policy(record.lender, {"Name": "no"})
        docker.stop(record.lender, grace=0)
        _call(docker, record.lender, sandbox_name(record.retired_name))


def _call(docker: Docker, container: str, name: str) -> None:
    if docker.inspect_container(container)["Name"] != f"/{name}":
        docker.rename(container, name)
