"""The synthetic prediction benchmark: prepared from the synthetic MIMIC-IV."""

from __future__ import annotations

from pathlib import Path

from ehrbench.mimic.ccs import Ccs
from ehrbench.mimic.sample import README, release
from ehrbench.mimic.sample.tables import DIAGNOSES
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.mimic_instr.prediction.prepare import PredictionOptions, prepare_prediction


def generate(folder: Path) -> None:
    """Write the prediction benchmark, prepared from the synthetic MIMIC-IV."""
    ccs = Ccs({(version, code): category for code, version, category, _ in DIAGNOSES.values()}, {})
    with release() as (mimic, split):
        prepare_prediction(Mimic(mimic), folder, PredictionOptions(split_file=split), ccs=ccs)
    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")
