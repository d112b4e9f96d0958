from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from transship.cli.say import printable
from transship.cli.settings import settings

if TYPE_CHECKING:
    from transship.api import HostCheck

hosts_app = typer.Typer(no_args_is_help=False, help="Docker contexts, and what each host can do.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]


@hosts_app.callback(invoke_without_command=True)
def list_command(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the Docker contexts and whether they answer; `check HOST` says what one host can do.

    For example: transship hosts check ssh://root@new.example.org

    Exit codes: 0 done; 2 wrong words; 3 the host cannot be used.
    """
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table  # noqa: PLC0415 - --help must not wait for it
    from rich.text import Text  # noqa: PLC0415

    from transship import api  # noqa: PLC0415
    from transship.cli import output  # noqa: PLC0415

    chosen = settings(context)
    answers = api.contexts(ssh_config=chosen.ssh_config)
    if as_json:
        output.print_json({"contexts": [asdict(answer) for answer in answers]})
        return
    table = Table("context", "", "Docker", "", box=None, pad_edge=False, header_style="dim")
    for answer in answers:
        mark = "current" if answer.context.current else ""
        words = (answer.context.name, mark, answer.docker_version or "-", answer.problem)
        table.add_row(*(Text(printable(word)) for word in words))
    output.console(chosen).print(table)


@hosts_app.command("check")
def check_command(
    context: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="Docker context, ssh://[USER@]HOST[:PORT], or local.")],
    *,
    link: Annotated[bool, typer.Option("--link", help="Measure the link too; takes about two seconds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a host is, and for each strategy whether it can serve, and if not what would help.

    For example: transship hosts check ssh://root@new.example.org --link

    Exit codes: 0 done; 2 wrong words; 3 the host cannot be used.
    """
    from transship import api  # noqa: PLC0415
    from transship.cli import output  # noqa: PLC0415

    chosen = settings(context)
    checked = api.check_host(host, ssh_config=chosen.ssh_config, with_link=link)
    if as_json:
        output.print_json(asdict(checked))
        return
    out = output.console(chosen)
    for name, value in _facts(checked):
        out.print(printable(f"{name:<14}{value}"), markup=False, soft_wrap=True)
    for each in checked.readiness:
        out.print(f"{each.strategy:<14}{'has all it needs here' if each.ready else 'lacks:'}", markup=False)
        for lack in each.lacks:
            text = f"{'':<16}{lack.what}{f'; {lack.remedy}' if lack.remedy else ''}"
            out.print(printable(text), markup=False, soft_wrap=True)


def _facts(checked: "HostCheck") -> list[tuple[str, str]]:
    """The facts in words, in the order in which one would ask for them."""
    facts, unknown = checked.facts, "unknown"
    rows = [
        ("host", facts.host),
        ("system", f"{facts.os_name}, kernel {facts.kernel}, {facts.platform}"),
        ("size", f"{facts.cpus} CPUs, {_gigabytes(facts.memory_bytes)} of memory"),
        ("Docker", f"{facts.docker_version}, API {facts.api_version}{_modes(checked)}"),
        ("storage", f"{facts.storage_driver} ({facts.image_store} store) in {facts.docker_root}"),
        ("cgroups", f"version {facts.cgroup_version}, driver {facts.cgroup_driver}"),
        (
            "free",
            f"{_gigabytes(facts.docker_free_bytes)} for Docker, {_gigabytes(facts.temporary_free_bytes)} temporary",
        ),
        ("root", facts.root_access or unknown),
        ("Python", facts.python_version or ("none" if facts.can_run else unknown)),
        ("runc", facts.runc_version or unknown),
        ("CRIU", _criu(checked)),
        ("Swarm", facts.swarm_state + (", manager" if facts.swarm_manager else "")),
        ("clock", f"{facts.clock_skew_s:+.3f} s against here, give or take {facts.clock_uncertainty_s:.3f} s"),
        ("round trip", f"{facts.rtt_s * 1000:.1f} ms for a request to Docker"),
    ]
    if checked.link is not None:
        rows.append(("link", f"{checked.link.up / 1e6:.1f} MB/s there, {checked.link.down / 1e6:.1f} MB/s back"))
    return rows


def _modes(checked: "HostCheck") -> str:
    facts = checked.facts
    words = {"experimental": facts.experimental, "rootless": facts.rootless, "userns-remap": facts.userns_remap}
    return "".join(f", {word}" for word, on in words.items() if on)


def _criu(checked: "HostCheck") -> str:
    facts = checked.facts
    if facts.criu_version is None:
        return "none" if facts.can_run else "unknown"
    features = "features unknown, they need root" if facts.criu_features is None else ", ".join(facts.criu_features)
    return f"{facts.criu_version} ({features or 'none of the features asked for'})"


def _gigabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e9:.1f} GB"
