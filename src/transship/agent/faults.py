from __future__ import annotations

import errno
import os


class AgentError(Exception):
    """The agent cannot do what was asked. `str(error)` is one sentence for the user; `code` is an errno name or ''."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class ProtocolError(AgentError):
    """The other end sent what no agent of this version sends. Nothing outside the tree was touched."""


def from_os(error: OSError, path: bytes) -> AgentError:
    """The sentence for a system call that failed on `path` (components joined by NUL) inside a tree."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return AgentError(f"{shown(path)}: {reason}", errno.errorcode.get(error.errno or 0, ""))


def shown(path: bytes) -> str:
    """`path` (components joined by NUL) as a person reads it; bytes that are no UTF-8 or not printable are escaped."""
    text = path.replace(b"\0", b"/").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text) or "/"
