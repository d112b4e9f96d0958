"""A limit of this machine's that moves with memory need higher, for as long as anybody does."""

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from typing import IO

from transship.lab import places

LIMIT = Path("/proc/sys/fs/pipe-max-size")
LARGE = 64 << 20
_USERS = "pipes.lock"


@contextmanager
def large_pipes() -> Iterator[None]:
    """Let pipes be large, as CRIU's page server needs where root lacks CAP_SYS_RESOURCE.

    Several processes may want that at the same time: the last one puts back what the first one found.
    """
    with (places.private_folder(places.STATE) / _USERS).open("a+") as users:
        while not _joined(users):
            continue  # the last of the others has just put it back
        LIMIT.write_text(str(LARGE))
        try:
            yield
        finally:
            if _is_alone(users):
                LIMIT.write_text(_before(users))
                users.truncate(0)


def _joined(users: IO[str]) -> bool:
    """Become one of the users. Returns whether it is known what was before them."""
    if _is_alone(users) and not _before(users):
        users.write(LIMIT.read_text().strip())
        users.flush()
    flock(users, LOCK_SH)
    return bool(_before(users))


def _before(users: IO[str]) -> str:
    users.seek(0)
    return users.read()


def _is_alone(users: IO[str]) -> bool:
    try:
        flock(users, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
