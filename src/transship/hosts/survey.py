from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from transship.errors import TransshipError
from transship.hosts.contexts import Context
from transship.hosts.open import connect

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the daemon of a context answers: its version, or the sentence and the hint that say why it does not."""

    context: Context
    docker_version: str = ""
    problem: str = ""
    hint: str = ""


def survey(contexts: Iterable[Context], *, ssh_config: Path | None = None) -> list[Answer]:
    """Ask the daemon of every context, all at once, in the order that was given. Never raises for one that fails."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda context: _ask(context, ssh_config), contexts))


def _ask(context: Context, ssh_config: Path | None) -> Answer:
    if context.address is None:
        return Answer(context, problem=context.problem)
    try:
        with connect(context.name, context.address, ssh_config=ssh_config) as host:
            return Answer(context, docker_version=str(host.docker.version()["Version"]))
    except TransshipError as error:
        return Answer(context, problem=str(error), hint=error.hint)
