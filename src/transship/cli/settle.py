from typing import Annotated

import typer

from transship.cli.settings import settings

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]


def settle_command(
    context: typer.Context,
    container: Annotated[str, typer.Argument(metavar="CONTAINER", help="One that was moved live.")],
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Where it is; by default where the docker command works.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make one ordinary container of one that was moved live and its sandbox. It is stopped and started.

    For example: transship settle web --host ssh://root@new.example.org

    Data, volumes, name and settings stay; what it had in memory does not.

    Exit codes:
      0  settled and proven healthy
      2  wrong words
      3  there is nothing to settle, or the host cannot be used; nothing was touched
      4  failed and undone: it runs as before
      5  settled, but what it was made of could not be removed
      6  cut off: transship status says what runs

    """
    from transship import api  # noqa: PLC0415 - Docker's SDK takes a while to import, and --help must not wait for it
    from transship.cli import output  # noqa: PLC0415
    from transship.hosts.contexts import default_source  # noqa: PLC0415

    chosen = settings(context)
    where = host or default_source()
    with output.Progress(chosen) as progress:
        journey = api.Journey(container, where, where, chosen.ssh_config, state=chosen.state_dir)
        result = api.settle(journey, listener=progress.show)
    if as_json:
        output.print_json(result.to_json())
        return
    screen = output.console(chosen)
    sentence = f"{result.container} on {where} is one container again, with networks of its own. "
    screen.print(output.line(f"{sentence}It was down for {result.downtime_s:.2f} s."), soft_wrap=True)
