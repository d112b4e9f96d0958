"""The figures of an experiment, made from its saved results alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from transship.bench.figures import downtimes, phases, predictions, times, transfers
from transship.bench.figures.style import NothingToDrawError, settings
from transship.bench.sealed import ResultError
from transship.bench.table import Experiment


@dataclass(frozen=True, slots=True)
class Kind:
    """What a figure shows, and what makes it: raises `NothingToDrawError` where the results lack it."""

    title: str
    make: Callable[[Experiment], Figure]


FIGURES: Mapping[str, Kind] = {
    "01_total_time_by_strategy": Kind("total time by strategy", times.total_time_by_strategy),
    "02_time_by_image": Kind("total time by image and strategy", times.time_by_image),
    "03_time_by_filesystem_state": Kind("total time by what the container had written", times.time_by_filesystem_state),
    "04_transfer_size": Kind("bytes on the link by image and strategy", transfers.transfer_size),
    "05_time_breakdown": Kind("what the time went into", phases.time_breakdown),
    "06_strategy_violin": Kind("distribution of the total time by strategy", times.strategy_violin),
    "07_export_import_detail": Kind("export, transfer and import of export-import", phases.export_import_detail),
    "08_downtime_against_size": Kind("downtime against the container's size", downtimes.downtime_against_size),
    "09_downtime_against_link_rate": Kind("downtime against the link's rate", downtimes.downtime_against_link_rate),
    "10_bytes_against_minimum": Kind("bytes on the link against the least possible", transfers.bytes_against_minimum),
    "11_phase_waterfall": Kind("the phases of a typical run of each strategy", phases.phase_waterfall),
    "12_predicted_against_measured": Kind("what plans said and what happened", predictions.predicted_against_measured),
    "13_downtime_distribution": Kind("cumulative distribution of downtime", downtimes.downtime_distribution),
}
"""By the name of their files. The first seven are those of the prototype that this project comes from."""

_DPI = 200


def draw(experiment: Experiment, folder: Path) -> dict[str, str]:
    """Save every figure as PNG and SVG. For each, by name, why it could not be drawn, or nothing.

    Raises `ResultError` where a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return {name: _saved(kind.make, experiment, folder / name) for name, kind in FIGURES.items()}
    except OSError as error:
        raise ResultError(f"{folder} cannot hold figures: {error.strerror}") from error


def _saved(make: Callable[[Experiment], Figure], experiment: Experiment, file: Path) -> str:
    with settings():
        try:
            figure = make(experiment)
        except NothingToDrawError as error:
            for ending in (".png", ".svg"):
                file.with_suffix(ending).unlink(missing_ok=True)  # of an earlier drawing, of other results
            return str(error)
        figure.set_dpi(_DPI)  # letters are wider or narrower in other ones
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it takes longer than all else, and has found its places
        figure.savefig(file.with_suffix(".png"), dpi=_DPI, metadata={"Software": None})
        figure.savefig(file.with_suffix(".svg"), metadata={"Date": None})
    return ""
