from typing import Annotated

import typer

from transship.cli.migrations import AsJson, At, Id
from transship.cli.say import say
from transship.cli.settings import settings


def forward_command(
    context: typer.Context,
    migration: Id,
    *,
    stop: Annotated[bool, typer.Option("--stop", help="End it: the old addresses answer no longer.")] = False,
    to_address: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="The target's address as the source reaches it; by default as from here."),
    ] = "",
    host: At = None,
    as_json: AsJson = False,
) -> None:
    """Carry what still comes to a moved container's old address to where it runs now, until it is told to stop.

    A small container on the source, which publishes what the moved one did. The target sees the source's address
    instead of the clients'. After a restart of the source it is there again.

    Examples:
      transship forward 3f2a
      transship forward 3f2a --to-address 10.0.0.7
      transship forward 3f2a --stop

    Exit codes:
      0  it forwards; or there is no forwarder any more
      2  wrong words
      3  the container was not moved, or a host cannot be used
      4  a port is taken, or the source does not reach the target; there is no forwarder

    """
    from transship import migrations  # noqa: PLC0415 - Docker's SDK takes a while to import, and --help must not wait
    from transship.cli import output  # noqa: PLC0415
    from transship.errors import UsageError  # noqa: PLC0415

    chosen = settings(context)
    reach = migrations.Reach(chosen.state_dir, tuple(host or ()), chosen.ssh_config)
    if stop:
        if to_address:
            raise UsageError("--stop ends a forwarder, and --to-address begins one")
        found = migrations.stop_forwarding(reach, migration)
        output.print_json({"stopped": found}) if as_json else say(
            "nothing is forwarded any more" if found else "nothing was forwarded"
        )
        return
    made = migrations.forward(reach, migration, address=to_address)
    ports = [f"{port.host_port}/{port.protocol}" for port in made.ports]
    if as_json:
        output.print_json({"container": made.name, "address": made.address, "ports": ports})
    else:
        say(f"{made.name} forwards {', '.join(ports)} to {made.address}, until transship forward {migration} --stop")
