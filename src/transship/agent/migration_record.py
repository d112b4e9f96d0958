"""What a keeper must know of a migration, taken from its record and from nowhere else."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .faults import AgentError

STAGES = ("preparing", "fenced", "stopping", "released", "committed", "restored", "forward", "ended")
"""As in plan/record.py, which says what they mean."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_POLICIES = ("", "no", "always", "unless-stopped", "on-failure")
_MEMORY = ("", "copied", "following")
_FOLDER = re.compile(r"[0-9a-f]{8,32}")
_MOST_RETRIES = 1 << 31
_LONGEST_TEXT = 4096


class Migration(NamedTuple):
    """The part of a record that a keeper acts by. Everything in it is of the form that it must have."""

    id: str
    stage: str
    source: str
    """The source's container id."""
    target: str
    """The target's container id; empty until it was made."""
    sandbox: str
    """The id of the container that has the target's network; empty where there is none of its own."""
    lender: str
    """The id of the container that lends the source its network; empty where it has its own."""
    memory: str
    """In which order memory moves: empty where it does not."""
    running: bool
    freeze: bool
    restart_policy: dict[str, Any]
    retired_name: str
    source_daemon: str
    target_daemon: str
    holder: dict[str, str]
    """What others are told whose lock this migration has."""


def read(record: Any) -> Migration:
    """Read a record. Raises `AgentError` with one sentence for what no migration's record holds."""
    _need(isinstance(record, dict), "it is no object")
    policy = _object(record, "restart_policy")
    retries = policy.get("MaximumRetryCount") or 0
    _need(policy.get("Name", "") in _POLICIES, "its restart policy is none of Docker's")
    _need(_is_count(retries), "its restart policy has an impossible number of retries")
    _need(record.get("stage") in STAGES, "its stage is not one of a migration")
    return Migration(
        id=migration_id(record.get("id")),
        stage=record["stage"],
        source=_matching(record, "container_id", _CONTAINER_ID),
        target=_matching(_object(record, "made"), "container", _CONTAINER_ID, may_lack=True),
        sandbox=_matching(_object(record, "made"), "sandbox", _CONTAINER_ID, may_lack=True),
        lender=_matching({"lender": "", **record}, "lender", _CONTAINER_ID, may_lack=True),
        memory=_memory(record),
        running=_flag(record, "running"),
        freeze=_flag(record, "freeze"),
        restart_policy={"Name": policy.get("Name") or "no", "MaximumRetryCount": retries},
        retired_name=_matching(record, "retired_name", _NAME, may_lack=True),
        source_daemon=_text(_object(record, "source"), "daemon"),
        target_daemon=_text(_object(record, "target"), "daemon"),
        holder={name: _text(record, name) for name in ("id", "coordinator", "begun", "container")},
    )


def migration_id(value: Any) -> str:
    """A migration's id, which is also part of a file's name. Raises `AgentError`."""
    _need(isinstance(value, str) and _ID.fullmatch(value), "its id is not one of a migration")
    return str(value)


def _memory(record: dict[str, Any]) -> str:
    found = _text(record, "memory")
    _need(found in _MEMORY, "its memory moves in no order that there is")
    # The folder of its images is called as the migration.
    _need(not found or _FOLDER.fullmatch(_text(record, "id")), "its id is none of a migration that moves memory")
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_RETRIES


def _object(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    if not isinstance(found, dict):
        raise _refusal(f"its {name} is no object")
    return found


def _matching(record: dict[str, Any], name: str, form: re.Pattern[str], *, may_lack: bool = False) -> str:
    found = _text(record, name)
    _need(form.fullmatch(found) or (may_lack and not found), f"its {name} is not of the form that Docker gives")
    return found


def _text(record: dict[str, Any], name: str) -> str:
    found = record.get(name)
    if not isinstance(found, str) or len(found) > _LONGEST_TEXT:
        raise _refusal(f"its {name} is no text, or too long")
    return found


def _flag(record: dict[str, Any], name: str) -> bool:
    found = record.get(name)
    if not isinstance(found, bool):
        raise _refusal(f"its {name} is neither true nor false")
    return found


def _need(condition: Any, complaint: str) -> None:
    if not condition:
        raise _refusal(complaint)


def _refusal(complaint: str) -> AgentError:
    return AgentError(f"this is not the record of a migration: {complaint}", "ERECORD")
