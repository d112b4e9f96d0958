from importlib import import_module
from pathlib import Path

from tests.fuzz.fuzz import declared


def test_a_run_draws_a_hundred_thousand_cases() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        import_module(f"tests.fuzz.{path.stem}")
    assert sum(declared.values()) >= 100_000
