from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the user should know before anything is touched.

    An `error` forbids the move, a `warning` names a loss or a risk, a `note` explains. `code` is stable and made for
    machines; `message` is one sentence (what, where, why), `hint` says what to do. None of them holds a secret.
    """

    severity: Severity
    code: str
    message: str
    hint: str = ""


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that forbid the move."""
    return tuple(finding for finding in findings if finding.severity == "error")
