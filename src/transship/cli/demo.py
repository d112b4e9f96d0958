"""`make demo`: a container with state moves between two Docker hosts of this machine, in every way that stops it."""

import os
import sys
from dataclasses import dataclass

from rich.console import Console

from transship import api
from transship.cli.output import Progress, print_result
from transship.cli.settings import Settings
from transship.errors import TransshipError
from transship.lab.lab import Lab
from transship.lab.node import Node
from transship.lab.options import HostOptions, LabOptions
from transship.lab.processes import wait_until
from transship.metrics.downtime import Probe
from transship.plan.options import MoveOptions, StrategyName

RATE = "100mbit"
PORT = 8080
COUNTS = "/var/www/html/count"
PROGRAM = f"""
i=$(cat {COUNTS} 2>/dev/null || echo 0); echo $i > /started-at
while :; do i=$((i+1)); echo $i > {COUNTS}.new; mv {COUNTS}.new {COUNTS}; sleep 0.05; done &
exec nginx -g 'daemon off;'
"""
"""Serves a page that counts; `/started-at` is where this start found the counter."""

SHOWN: tuple[StrategyName, ...] = ("stop-start", "export-import", "sync")
"""`live` asks for a CRIU that is newer than the one of these hosts."""

KEEPS_FILES = {"export-import", "sync"}
"""The strategies that promise to bring along what the container wrote."""

out = Console(highlight=False)


def say(text: str) -> None:
    """Print a line, however long."""
    out.print(text, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one strategy did to the counter: its last value on the source, and where the target went on."""

    strategy: str
    last_on_source: int
    first_on_target: int

    @property
    def kept(self) -> bool:
        return self.first_on_target == self.last_on_source


def main() -> int:
    """Run the demo; 0 when every strategy that is shown kept what it promises to keep."""
    say(f"[bold]Two Docker hosts on this machine, each behind a link of {RATE}[/bold]")
    say("(the first time their system is fetched and unpacked: a minute or two; later it takes seconds)")
    options = LabOptions(name=f"demo-{os.getpid()}", hosts=(HostOptions(), HostOptions()))
    with Lab(options) as lab:
        nodes = (lab.hosts["h1"], lab.hosts["h2"])
        for node in nodes:
            say(f"  {node.ssh_alias}: ssh://root@{node.address}, Docker {node.docker.version()['Version']}")
        return verdict([demonstrate(lab, *nodes, strategy) for strategy in SHOWN])


def demonstrate(lab: Lab, source: Node, target: Node, strategy: StrategyName) -> Outcome:
    """Move a freshly started container from one host to the other, and leave both hosts empty."""
    out.rule(f"[bold]{strategy}")
    image = lab.load(source, "nginx")
    source.output(["docker", "run", "-d", "--name", "web", "-p", f"{PORT}:80", image, "sh", "-c", PROGRAM])
    wait_until(lambda: Probe("http", PORT, "/count").answers(source.address), 20, "the container serves")
    for node in (source, target):
        node.set_rate(RATE)
    try:
        return moved(lab, source, target, strategy)
    finally:
        for node in (source, target):
            node.set_rate(None)
            empty(node)


def moved(lab: Lab, source: Node, target: Node, strategy: StrategyName) -> Outcome:
    """Move it, show the timeline, and compare the counter on both sides."""
    journey = api.Journey("web", f"ssh://root@{target.ssh_alias}", f"ssh://root@{source.ssh_alias}", lab.ssh_config)
    options = MoveOptions(strategy=strategy, probe=Probe("http", PORT, "/count"))
    with Progress(Settings(lab.ssh_config, verbose=False, color=True)) as progress:
        result = api.move(journey, options, agreed=lambda _plan: True, listener=progress.show)
    print_result(out, result)
    last, first = read(source, result.source.container_id, COUNTS), read(target, "web", "/started-at")
    return Outcome(strategy, last, first)


def read(node: Node, container: str, path: str) -> int:
    """A number from a container's file, also from a stopped one."""
    node.output(["docker", "cp", f"{container}:{path}", "/run/number"])
    return int(node.output(["cat", "/run/number"]))


def empty(node: Node) -> None:
    """Remove what a move left on a host: its containers and images."""
    for each in node.docker.containers(all=True):
        node.docker.remove_container(each["Id"], force=True)
    node.output(["docker", "image", "prune", "--all", "--force"])


def verdict(outcomes: list[Outcome]) -> int:
    """Say what each strategy kept, and whether that is what it promises."""
    out.rule("[bold]the counter in the container's filesystem")
    for each in outcomes:
        say(
            f"  {each.strategy:<14} stood at {each.last_on_source} when the source stopped, "
            f"went on from {each.first_on_target} on the target: {'kept' if each.kept else 'begun anew'}"
        )
    broken = [each.strategy for each in outcomes if each.kept != (each.strategy in KEEPS_FILES)]
    say(f"[bold red]not as promised: {', '.join(broken)}" if broken else "As each of them promises.")
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TransshipError as error:
        sys.exit(f"transship: {error}\n  {error.hint}")
