"""Every file of one correlation."""

from __future__ import annotations

from pathlib import Path

from ehrbench.correlation.correlate import CorrelationReport
from ehrbench.correlation.human import HumanReport
from ehrbench.correlation.output import (
    About,
    correlation_result,
    head_to_head_csv,
    human_result,
    metrics_csv,
    pairs_csv,
    plot,
    systems_csv,
    to_json,
    win_rates_csv,
    write_files,
)
from ehrbench.correlation.preferences import preferences_picture


def write_correlation(out: Path, report: CorrelationReport, human: HumanReport, about: About) -> list[Path]:
    """Write metrics beside people, and people's judgement with the metrics' pairings beside theirs.

    Args:
        out: folder; made if need be.
        report: of the metrics.
        human: of the people.
        about: what they are about.

    Returns:
        The files.
    """
    correlation, people = correlation_result(report, about), human_result(human, about, report)
    files = {
        "correlation.json": to_json(correlation),
        "metrics.csv": metrics_csv(report),
        "pairs.csv": pairs_csv(report),
        "human.json": to_json(people),
        "systems.csv": systems_csv(human),
        "win-rates.csv": win_rates_csv(human, report),
        "head-to-head.csv": head_to_head_csv(people),
    }
    if (drawing := plot(correlation)) is not None:
        files["correlation.svg"] = drawing
    if (matrices := preferences_picture(people)) is not None:
        files["preferences.svg"] = matrices
    return write_files(out, files)
