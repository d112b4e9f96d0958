import pytest

from transship.metrics.events import PhaseRecord
from transship.result import downtime

STOP = PhaseRecord("stop", 1.0, 0.5)
UNDO = PhaseRecord("undo", 3.0, 4.0)


@pytest.mark.parametrize(
    ("phases", "seconds"),
    [
        ((PhaseRecord("plan", 0.0, 1.0),), 0.0),
        ((STOP, PhaseRecord("healthy", 2.0, 0.5), PhaseRecord("settle", 2.5, 0.5)), 1.5),
        ((STOP, PhaseRecord("healthy", 2.0, 0.5), PhaseRecord("settle", 2.5, 0.5, failed=True),
          PhaseRecord("restart", 3.0, 1.0)), 3.0),
        ((STOP, PhaseRecord("healthy", 2.0, 0.5, failed=True), UNDO), 6.0),
        ((STOP, PhaseRecord("start", 2.0, 0.5, failed=True), UNDO), 6.0),
        ((STOP, PhaseRecord("restart", 3.0, 0.5, failed=True), UNDO), 6.0),
        ((STOP, PhaseRecord("healthy", 2.0, 0.5), PhaseRecord("restart", 3.0, 0.5, failed=True), UNDO), 6.0),
    ],
    ids=["never stopped", "moved", "went back", "ill, not back", "not started, not back", "not back", "for a moment"],
)  # fmt: skip
def test_the_downtime_ends_when_a_copy_serves_again(phases: tuple[PhaseRecord, ...], seconds: float) -> None:
    assert downtime(phases) == pytest.approx(seconds)
