import os
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from transship.cli.settings import settings

# transship.lab is imported inside the commands: it brings Docker's client along, and `transship --help` must be fast

if TYPE_CHECKING:
    from transship.lab import Lab

lab_app = typer.Typer(
    no_args_is_help=True,
    help="""Throwaway Docker hosts on this machine, to try transship on. Needs root, and Debian packages from a mirror.

    \b
    Examples:
      transship lab up --hosts 2
      eval "$(transship lab env)"
      transship hosts check "$LAB_H2"
      transship lab shell h1
      transship lab down
    """,
)

# a line with \b alone keeps the lines below it as they are
UP_HELP = """Make a lab. It stays up until transship lab down, or until the machine is switched off.

The first one of a suite takes a minute more, to unpack Debian into the cache. Nothing of the hosts' traffic leaves
this machine. Images for --load: busybox, busybox-foreign (of another architecture), nginx, python, redis, postgres.

\b
Examples:
  transship lab up --hosts 2 --rate 100mbit --load redis
  transship lab up --name mixed --hosts 2:trixie,1:sid --registry tls

Exit codes: 0 it is up; 2 wrong words; 7 it could not be made, and nothing of it is left.
"""


class StoreChoice(StrEnum):
    """The words of --store."""

    OVERLAY2 = "overlay2"
    CONTAINERD = "containerd"


class CgroupChoice(StrEnum):
    """The words of --cgroup."""

    V2 = "v2"
    V1 = "v1"


class RegistryChoice(StrEnum):
    """The words of --registry."""

    NONE = "none"
    TLS = "tls"
    INSECURE = "insecure"


Name = Annotated[str, typer.Option(metavar="NAME", help="The lab's name.")]
Hosts = Annotated[str, typer.Option(metavar="N", help="How many hosts, h1 to hN; or a mix of suites: 2:trixie,1:sid.")]
Suite = Annotated[
    str,
    typer.Option(metavar="SUITE", help="Debian release: bookworm (Docker 20.10), trixie (26.1), forky, sid (28.5)."),
]
Rate = Annotated[str, typer.Option(metavar="RATE", help="Limit every link, in each direction: 100mbit.")]
Store = Annotated[StoreChoice, typer.Option(help="Where Docker keeps images.")]
Cgroup = Annotated[CgroupChoice, typer.Option(help="v2: CRIU works. v1: limits work, on a machine with both versions.")]
Disk = Annotated[str, typer.Option(metavar="SIZE", help="The size of each host's disk: 500M, 2G.")]
Registry = Annotated[RegistryChoice, typer.Option(help="Run an image registry that the hosts trust.")]
Mirror = Annotated[str, typer.Option(metavar="URL", help="A Debian mirror; by default the one that apt uses here.")]
Load = Annotated[list[str] | None, typer.Option(metavar="IMAGE", help="Give every host this image; may be repeated.")]


@lab_app.command(help=UP_HELP)
def up(  # noqa: PLR0913 - its text is the help, and a command's options are what they are
    context: typer.Context,
    *,
    hosts: Hosts = "2",
    suite: Suite = "trixie",
    rate: Rate = "",
    store: Store = StoreChoice.OVERLAY2,
    cgroup: Cgroup = CgroupChoice.V2,
    disk: Disk = "",
    registry: Registry = RegistryChoice.NONE,
    mirror: Mirror = "",
    load: Load = None,
    name: Name = "lab",
) -> None:
    from transship.cli.output import Progress  # noqa: PLC0415
    from transship.lab import HostOptions, Lab, LabOptions  # noqa: PLC0415
    from transship.lab.options import parse_hosts  # noqa: PLC0415
    from transship.metrics.events import Recorder  # noqa: PLC0415

    like = HostOptions(suite=suite, store=store.value, cgroup=cgroup.value, disk=disk, rate=rate)
    options = LabOptions(name=name, hosts=parse_hosts(hosts, like), registry=registry.value, mirror=mirror)
    with Progress(settings(context)) as progress:
        lab = Lab.up(options, recorder=Recorder([progress.show]), images=tuple(load or ()))
    for node in lab.nodes:
        typer.echo(f"{node.ssh_alias}\tssh://root@{node.ssh_alias}\t{node.address}")
    if registry is not RegistryChoice.NONE:
        typer.echo(f"registry\t{lab.registry}")
    typer.echo(f'Now: eval "$(transship lab env --name {name})"', err=True)


@lab_app.command()
def down(
    name: Name = "lab", *, abandoned: Annotated[bool, typer.Option(help="What ended processes left.")] = False
) -> None:
    """Take a lab down and remove everything of it. There being none is no error.

    Exit codes: 0 it is gone; 7 something could not be removed, or another process is using it.
    """
    from transship.lab.lab import remove_abandoned, take_down  # noqa: PLC0415

    if abandoned:
        remove_abandoned()
    else:
        take_down(name)


@lab_app.command("list")
def list_labs() -> None:
    """List the labs of this machine: name, state, number of hosts, subnet.

    Exit codes: 0 listed; 7 the labs are not ours to see.
    """
    from transship.lab.lab import network_of  # noqa: PLC0415
    from transship.lab.record import load_all  # noqa: PLC0415

    for lab in load_all():
        typer.echo(f"{lab.name}\t{lab.state}\t{len(lab.options.hosts)} hosts\t{network_of(lab).subnet}")


@lab_app.command()
def env(name: Name = "lab") -> None:
    """Print shell exports: TRANSSHIP_SSH_CONFIG, and for every host its address, such as LAB_H1=ssh://root@lab-h1.

    For example: eval "$(transship lab env)"; transship hosts check "$LAB_H1"

    Exit codes: 0 printed; 7 there is no such lab.
    """
    from transship.lab import Lab  # noqa: PLC0415

    for variable, value in _exports(Lab.open(name)).items():
        typer.echo(f"export {variable}={shlex.quote(value)}")


@lab_app.command()
def shell(
    host: Annotated[str, typer.Argument(metavar="HOST", help="h1, h2, ...")],
    command: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]", help="Instead of a shell.")] = None,
    *,
    name: Name = "lab",
    user: Annotated[str, typer.Option(help="root; mover (may use Docker), admin (may sudo) or guest.")] = "root",
) -> None:
    """Log in to a host of a lab, or run a command there.

    For example: transship lab shell h1 -- docker ps

    Exit codes: those of the command; 7 there is no such lab or host.
    """
    from transship.errors import LabError  # noqa: PLC0415
    from transship.lab import Lab  # noqa: PLC0415

    lab = Lab.open(name)
    if host not in lab.hosts:
        raise LabError(f"the lab {name} has no host {host}", hint=f"it has {', '.join(lab.hosts)}")
    words = [shlex.join(command)] if command else []
    argv = ["ssh", "-F", str(lab.ssh_config), f"{user}@{lab.hosts[host].ssh_alias}", *words]
    os.execvp("ssh", argv)  # noqa: S606 - the terminal belongs to ssh from here on


def _exports(lab: "Lab") -> dict[str, str]:
    prefix = lab.options.name.upper().replace("-", "_")
    exports = {"TRANSSHIP_SSH_CONFIG": str(lab.ssh_config)}
    exports |= {f"{prefix}_{node.name.upper()}": f"ssh://root@{node.ssh_alias}" for node in lab.nodes}
    if lab.options.registry != "none":
        exports[f"{prefix}_REGISTRY"] = lab.registry
    return exports
