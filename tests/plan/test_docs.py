"""docs/plan.md names every finding about moves of containers that there is, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"\| .+ \| `(?P<code>[a-z-]+)` \| (?P<severities>[a-z, ]+) \|")


def words(node: ast.expr) -> set[str]:
    """The texts that an expression can be: one, or one of two."""
    if isinstance(node, ast.IfExp):
        return words(node.body) | words(node.orelse)
    assert isinstance(node, ast.Constant), "a severity and a code are written where the finding is made"
    return {str(node.value)}


def made(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            severity, code = node.args[:2]
            yield from ((one, other) for one in words(code) for other in words(severity))


def test_the_table_has_every_finding_with_its_severities() -> None:
    offered = (ROOT / "src/transship").rglob("*.py")
    source = {pair for path in offered if "swarm" not in path.parts for pair in made(ast.parse(path.read_text()))}
    rows = [row for line in (ROOT / "docs/plan.md").read_text().splitlines() if (row := ROW.fullmatch(line))]
    told = {(row["code"], severity) for row in rows for severity in row["severities"].split(", ")}
    assert told == source
    codes = [row["code"] for row in rows]
    assert len(codes) == len(set(codes)), "each has one row"
