import pytest

from transship.errors import UsageError
from transship.plan.options import seconds


@pytest.mark.parametrize(
    ("text", "value"), [("500ms", 0.5), ("60s", 60.0), ("1.5m", 90.0), ("2h", 7200.0), ("0s", 0.0)]
)
def test_a_length_of_time_is_read(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "60", "s", "-1s", "1 s", "1d", "nan", "1e3s", "٣s", "9" * 30 + "s", "1s\n"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        seconds(text)
