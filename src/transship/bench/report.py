"""The report of an experiment: one page that needs nothing else, and a summary in Markdown."""

import base64
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from transship.bench.environment import Environment
from transship.bench.figures import FIGURES, draw
from transship.bench.findings import choices, findings
from transship.bench.ratings import RULES, rate
from transship.bench.sealed import ResultError
from transship.bench.summary import summary_by_image, summary_by_strategy
from transship.bench.table import Experiment, common_conditions

_MOST_STARS = 5
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as the page holds it."""

    name: str
    title: str
    png: str


def plot(experiment: Experiment, folder: Path) -> dict[str, str]:
    """Write the figures and both summaries into a folder. For each figure why it could not be drawn, or nothing.

    Raises `ResultError` where a file cannot be written.
    """
    undrawn = draw(experiment, folder)
    _write(folder / "summary_by_strategy.csv", summary_by_strategy(experiment))
    _write(folder / "summary_by_image.csv", summary_by_image(experiment))
    return undrawn


def report(experiment: Experiment, matrix: str, folder: Path) -> tuple[Path, Path]:
    """Write `report.html`, `report.md` and `figures/` into a folder; return where the first two are.

    Raises `ResultError` where a file cannot be written.
    """
    undrawn = {name: why for name, why in plot(experiment, folder / "figures").items() if why}
    known = _known(experiment, matrix, folder / "figures", undrawn)
    page, summary, templates = folder / "report.html", folder / "report.md", _templates()
    for file in (page, summary):
        _write(file, templates.get_template(file.name).render(known))
    return page, summary


def _known(experiment: Experiment, matrix: str, figures: Path, undrawn: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": Path(experiment.name).name,
        "setting": _setting(experiment),
        "findings": findings(experiment),
        "choices": [astuple(each) for each in choices(experiment)],
        "rules": RULES,
        "ratings": rate(experiment),
        "figures": [
            Picture(name, each.title, base64.b64encode((figures / f"{name}.png").read_bytes()).decode())
            for name, each in FIGURES.items()
            if name not in undrawn
        ],
        "missing": undrawn,
        "numbers": list(csv.reader(summary_by_image(experiment).splitlines())),
        "matrix": matrix,
    }


def _setting(experiment: Experiment) -> dict[str, Any]:
    runs = experiment.all
    loads = [run.setting.load_1m for run in runs]
    return {
        "runs": len(runs),
        "cells": len({run.cell.id for run in runs}),
        "failed": len(experiment.failed),
        "impossible": len(experiment.impossible),
        "missing": len(experiment.missing),
        "begun": min(run.begun for run in runs),
        "ended": max(run.begun for run in runs),
        "revisions": sorted({run.setting.revision for run in runs}),
        "common": common_conditions(runs),
        "load": f"median {median(loads):.2f}, at most {max(loads):.2f}",
        "environments": [_flat(each) for each in experiment.environments.values()],
    }


def _flat(environment: Environment) -> dict[str, str]:
    """Each thing known of the place, the hosts' under their names."""
    flat = {}
    for name, value in asdict(environment).items():
        inner = value if isinstance(value, dict) else {"": value}
        flat.update({f"{name} {key}".strip().replace("_", " "): str(each) for key, each in inner.items() if each != ""})
    return flat


def _templates() -> Templates:
    templates = Templates(
        loader=PackageLoader("transship.bench"), autoescape=select_autoescape(["html"]), undefined=StrictUndefined
    )
    templates.filters["plain"] = _plain
    templates.globals["stars"] = _stars
    templates.globals["is_number"] = _is_number

    def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
        return Markup(templates.get_template("table.html").render(names=names, rows=rows))  # noqa: S704 - it is escaped

    templates.globals["table"] = table
    return templates


def _stars(stars: int | None) -> str:
    return "not rated" if stars is None else "★" * stars + "☆" * (_MOST_STARS - stars)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(text: str) -> str:
    """Write a text so that Markdown shows just that, also in a table: matrices and hosts choose some of the words."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ResultError(f"{file} cannot be written: {error.strerror}") from error
