import pytest

from tests.fuzz.fuzz import SEED, drawn


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if drawn:
        terminalreporter.write_line(f"fuzz: {sum(drawn.values())} cases, TRANSSHIP_SEED={SEED} draws the same again")
