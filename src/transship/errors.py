"""All that can go wrong, one tree.

TransshipError                  exit  our own bug, if nothing below fits: 1
|-- UsageError                     2  the words of the call are wrong
|-- RefusedError                   3  something forbids it; nothing was touched
|   |-- PreflightError                 a finding of the plan
|   |-- LockedError                    another move of the same things is under way
|   |-- EndedError                     somebody else has ended the migration
|   `-- HostError                      a host cannot be used
|       |-- UnreachableError               no connection
|       |-- HostKeyError                   the host is not the one that is known by this name
|       |-- AccessDeniedError              the user may not do this there
|       `-- DockerDownError                no Docker daemon answers
|-- StepError                      4  one action failed; the engine decides what that means for the move
|   |-- DockerError                    the daemon refused a request
|   |   |-- NotFoundError
|   |   |-- ConflictError
|   |   `-- NoSpaceError
|   |-- TransferError                  data did not arrive, or not as it left
|   |   `-- LostError                      the connection was lost in the middle
|   |-- UnhealthyError                 the container does not serve on the target
|   `-- CommandError                   a program on a host failed
|-- RolledBackError                4  the move failed and was undone; the source runs again
|-- SourceNotRetiredError          5  moved, but the source could not be retired
|-- NeedsRecoveryError             6  cut off; it is not certain what runs where
`-- LabError                       7  a throwaway host of the lab could not be made or removed
"""


class TransshipError(Exception):
    """Root of every error that this package raises on purpose.

    `str(error)` is one sentence for the user: what, where and why; without a full stop, as it may become part of a
    longer one. `hint` says what to do about it, or is empty.
    Neither ever holds a secret (environment values, labels, credentials). `result` is what `api.move` would have
    returned, where it came far enough to know.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message.removesuffix("."))
        self.hint = hint
        self.result: object = None


class UsageError(TransshipError):
    """The words of the call are wrong: an address that is none, options that exclude each other."""

    exit_code = 2


class RefusedError(TransshipError):
    """Something forbids what was asked; nothing was touched."""

    exit_code = 3


class PreflightError(RefusedError):
    """A finding of the plan forbids the move."""


class LockedError(RefusedError):
    """Another move holds the container, a volume or the name that this one needs."""


class EndedError(RefusedError):
    """Somebody else has ended the migration since this process last heard of it: nobody may act for it any more."""


class HostError(RefusedError):
    """A host cannot be used."""


class UnreachableError(HostError):
    """No connection to the host."""


class HostKeyError(HostError):
    """The host's key is unknown, or is not the one that is known by this name."""


class AccessDeniedError(HostError):
    """The user may not log in there, or may not speak to Docker there."""


class DockerDownError(HostError):
    """The host answers, but no Docker daemon does."""


class StepError(TransshipError):
    """One action failed. Inside a move the engine undoes what was done and reports a `RolledBackError`."""

    exit_code = 4


class DockerError(StepError):
    """The daemon refused a request or could not carry it out."""


class NotFoundError(DockerError):
    """The daemon knows no container, image, network or volume of that name."""


class ConflictError(DockerError):
    """The name, port or resource is already in use."""


class NoSpaceError(DockerError):
    """The host's disk is full."""


class TransferError(StepError):
    """Data did not arrive, or not as it left."""


class LostError(TransferError):
    """The connection to what works on a host was lost in the middle."""


class UnhealthyError(StepError):
    """The container does not serve on the target."""


class CommandError(StepError):
    """A program on a host failed."""


class RolledBackError(TransshipError):
    """The move failed and was undone; the source runs again."""

    exit_code = 4


class SourceNotRetiredError(TransshipError):
    """The container serves on the target, but the source could not be retired."""

    exit_code = 5


class NeedsRecoveryError(TransshipError):
    """The move was cut off where it is not certain what runs where."""

    exit_code = 6


class LabError(TransshipError):
    """A throwaway host of the lab could not be made, changed or removed."""

    exit_code = 7
