"""The stored form of a record, here and on the hosts. What is read is checked: who wrote it may mean harm."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from transship.codec import Json, MalformedError, decode, encode, loads
from transship.errors import RefusedError
from transship.plan.record import FORMAT, Record


class JournalError(RefusedError):
    """What is known of migrations cannot be read or written: the state folder, the journal in it, or a record."""


_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DOCKER_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_POLICY = re.compile(r"no|always|unless-stopped|on-failure|")
_SANDBOX_IMAGE = re.compile(r"transship-sandbox:[a-z0-9]+-[0-9a-f]{12}")
_PATH = re.compile(r"/(?!(.*/)?\.\.(/|$))[^\0]{0,4095}", re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
"""What must not reach a terminal."""

_LONGEST_TEXT = 4096
_LARGEST = 1 << 20
"""Bytes of a stored text. Ours have a few thousand."""


def to_json(record: Record) -> Json:
    """The record as an object for JSON."""
    return {"format": FORMAT, **encode(record)}


def from_json(value: object, where: str) -> Record:
    """Read such an object. `where` says where it was found. Raises `JournalError` for anything else."""
    members = dict(value) if isinstance(value, dict) else {}
    if members.pop("format", None) != FORMAT:
        raise JournalError(
            f"{where} holds no record that this version of transship can read", hint="use the version that wrote it"
        )
    members.setdefault("lender", "")  # earlier versions could not move what has one
    try:
        record = decode(Record, members)
        _check(record)
    except MalformedError as error:
        raise _damaged(where, error) from error
    return replace(record, detail=_CONTROL.sub(" ", record.detail)[:_LONGEST_TEXT])


def from_text(text: object, where: str) -> Record:
    """As `from_json`, from its text. Raises `JournalError`."""
    return from_json(read(text, where), where)


def read(text: object, where: str) -> object:
    """Parse a stored text. Raises `JournalError` for what is no text, no JSON, or larger than any that we write."""
    if not isinstance(text, str | bytes) or len(text) > _LARGEST:
        raise _damaged(where, MalformedError("it is no text, or too long"))
    try:
        return loads(text)
    except MalformedError as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: MalformedError) -> JournalError:
    return JournalError(
        f"{where} holds a damaged record: {error}",
        hint="it is also kept on both hosts of the migration, and in the journal of the machine that began it: "
        "with a new --state-dir, and --host HOST twice, transship goes by the hosts",
    )


def _check(record: Record) -> None:
    """Whether everything looks like what it is called. Raises `MalformedError`."""
    made = record.made
    _expect(_ID, "id", record.id)
    _check_time("begun", record.begun)
    _check_time("since", record.since)
    _expect(_ID, "returns", *filter(None, [record.returns]))
    _expect(_DOCKER_ID, "container_id", record.container_id)
    _expect(_DOCKER_ID, "made", *filter(None, [record.lender, made.container, made.sandbox, *made.networks.values()]))
    _expect(_SANDBOX_IMAGE, "made.sandbox_image", *filter(None, [made.sandbox_image]))
    _expect(_NAME, "container", record.container, record.arriving, record.retired_name)
    _expect(_NAME, "made", *made.networks, *made.volumes)
    _expect(_PATH, "made.provided", *(path for each in made.provided for path in (each.path, *each.made)))
    if any(not 0 <= number < 1 << 32 for each in made.provided for number in each.owner):
        raise MalformedError("made.provided has an owner that is none")
    _check_policy(record.restart_policy)
    printed = encode(replace(record, detail="", made=replace(made, provided=[])))
    if any(_CONTROL.search(text) or len(text) > _LONGEST_TEXT for text in _texts(printed)):
        raise MalformedError("it has a text that is too long, or that no terminal should show")


def _check_time(what: str, text: str) -> None:
    """Whether it is a point in time, and not only a time of day somewhere."""
    try:
        known = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise MalformedError(f"{what} is no time")


def _check_policy(policy: Json) -> None:
    count = policy.get("MaximumRetryCount", 0)
    known = set(policy) <= {"Name", "MaximumRetryCount"}
    if not known or not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 1 << 31:
        raise MalformedError("restart_policy is not one of Docker's")
    _expect(_POLICY, "restart_policy", policy.get("Name", ""))


def _texts(value: Any) -> Iterator[str]:
    """Every text in `value`, an object's keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _texts(each)


def _expect(form: re.Pattern[str], what: str, *texts: object) -> None:
    if not all(isinstance(text, str) and form.fullmatch(text) for text in texts):
        raise MalformedError(f"{what} has not the form that it must have")
