"""Printers of what the analysis of results came to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transship.bench.compare import Compared, Held
from transship.bench.fit import GOAL, Errors, Fit
from transship.bench.table import Condition, Workload
from transship.cli.output import line
from transship.codec import encode

_STYLES = {"less": "green", "more": "red", "alike": "", "cannot tell": "dim"}


def print_figures(out: Console, folder: Path, undrawn: Mapping[str, str]) -> None:
    """How many were drawn, and why the others were not."""
    drawn = [name for name, why in undrawn.items() if not why]
    out.print(line(f"{len(drawn)} figures and 2 summaries are in {folder}"), soft_wrap=True)
    for name, why in undrawn.items():
        if why:
            out.print(line(f"  {name} was not drawn: {why}", "dim"), soft_wrap=True)


def print_written(out: Console, files: Sequence[Path]) -> None:
    """Where the files are."""
    for file in files:
        out.print(line(f"wrote {file}"), soft_wrap=True)


def print_cautions(out: Console, cautions: Mapping[str, Sequence[str]]) -> None:
    """What speaks against reading results without care, by the folder of which it is said."""
    for folder, sentences in cautions.items():
        for sentence in sentences:
            out.print(line(f"{folder}: {sentence}", "bold yellow"), soft_wrap=True)


def compared_as_json(compared: Compared, cautions: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The object of `bench compare --json`."""
    return {
        "cautions": {folder: list(sentences) for folder, sentences in cautions.items()},
        "unlike": list(compared.unlike),
        "only_a": compared.only_a,
        "only_b": compared.only_b,
        "held": [
            {
                "cell": encode(each.cell),
                "measure": each.measure,
                "unit": each.unit,
                **encode(each.comparison),
            }
            for each in compared.held
        ],
    }


def print_compared(out: Console, compared: Compared) -> None:
    """A row a cell and measure, and a line of totals."""
    if compared.unlike:
        out.print(line(f"the environments differ: {'; '.join(compared.unlike)}", "bold yellow"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for word in ("strategy", "container", "condition", "measure"):
        table.add_column(word)
    for word in ("A", "B", "B / A", "95 %"):
        table.add_column(word, justify="right", no_wrap=True)
    table.add_column("B is")
    for each in compared.held:
        table.add_row(*(Text(word) for word in _row(each)), style=_STYLES[each.comparison.verdict])
    out.print(table)
    counts = {verdict: sum(each.comparison.verdict == verdict for each in compared.held) for verdict in _STYLES}
    told = ", ".join(f"{verdict} in {count}" for verdict, count in counts.items() if count)
    out.print(line(f"B against A: {told} of {len(compared.held)} comparisons"), soft_wrap=True)
    for why, count in Counter(each.comparison.why for each in compared.held if each.comparison.why).items():
        out.print(line(f"  cannot tell in {count}: {why}", "dim"), soft_wrap=True)
    if compared.only_a or compared.only_b:
        out.print(line(f"cells that only A has: {compared.only_a}, only B: {compared.only_b}"), soft_wrap=True)


def _row(held: Held) -> tuple[str, ...]:
    told, cell = held.comparison, held.cell
    span = told.interval
    return (
        cell.strategy,
        Workload.of(cell).words(),
        ", ".join(filter(None, Condition.of(cell).words())),
        f"{held.measure} [{held.unit}]",
        *(f"{each:.4g}" for each in told.medians),
        "" if told.ratio is None else f"{told.ratio:.3f}",
        "" if span is None else f"{span.low:.3f}-{span.high:.3f}",
        told.verdict,
    )


def fit_as_json(fitted: Fit, file: Path | None, cautions: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The object of `bench fit --json`."""
    told = {folder: list(sentences) for folder, sentences in cautions.items()}
    return {**encode(fitted), "goal": GOAL, "cautions": told, "kept": None if file is None else str(file)}


def print_fit(out: Console, fitted: Fit, file: Path | None) -> None:
    """The errors before and after, and the costs."""
    out.print(line(f"fitted to {fitted.samples} cells of {fitted.runs} runs"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("median error")
    for word in ("total time", "downtime"):
        table.add_column(word, justify="right")
    rows: dict[str, Errors] = {
        "built-in costs": fitted.built_in,
        **({"the costs that plans use now": fitted.in_use} if fitted.in_use else {}),
        f"fitted, each {fitted.left_out} predicted from the others": fitted.held_out,
        **{f"  {strategy}": errors for strategy, errors in fitted.by_strategy.items()},
    }
    for name, errors in rows.items():
        table.add_row(name, f"{errors.total:.1%}", f"{errors.downtime:.1%}")
    out.print(table)
    out.print(line(fitted.held_out.goal()), soft_wrap=True)
    for name, value in encode(fitted.model).items():
        likely = value.get("likely") if isinstance(value, dict) else value
        if isinstance(likely, float):
            out.print(line(f"  {name} = {likely:.4g}", "dim"), soft_wrap=True)
    kept = (
        f"kept in {file}: every later plan of this machine uses them" if file else "not kept: --keep has plans use them"
    )
    out.print(line(kept), soft_wrap=True)
