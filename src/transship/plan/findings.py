from collections.abc import Callable, Iterable, Sequence
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


Agreement = Callable[[Sequence[Finding]], bool]
"""Asked whether to go on in spite of these findings, none of which is an error."""


def no_warnings(findings: Sequence[Finding]) -> bool:
    """Agree where there is nothing to be warned of."""
    return not any(finding.severity == "warning" for finding in findings)


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that forbid the move."""
    return tuple(finding for finding in findings if finding.severity == "error")
