"""What a task file may say to EHR-Bench's reader."""

from __future__ import annotations

from typing import Literal

from ehrbench.readers.reader import ReaderOptions


class Options(ReaderOptions):
    """``data.options`` of ``ehr_bench``."""

    task: str
    """The task's key in the release (``labevents``)."""
    type: Literal["decision_making", "risk_prediction"]
    candidates: Literal["repaired", "released"] = "repaired"
    """``repaired``: every label that the task's golds use is among the candidates, no NaN."""
    patient_block: Literal["apart", "record"] = "apart"
    """``apart``: a slot of its own, never cut. ``record``: part of the record, cut first."""
    release: Literal["jsonl", "parquet"] | None = None
    """None: what is there, the JSONL before the patients' files."""
    codes: Literal["released", "text"] = "released"
    """Of patients' files. ``released``: as they were serialised for the JSONL, where ATC codes lose leading zeros."""
    allow_missing: bool = False
    """Of patients' files: leave out rows whose patient has no file, with a warning."""
    rendering: Literal["raw"] = "raw"

    @property
    def is_risk(self) -> bool:
        """Whether the answer is yes or no."""
        return self.type == "risk_prediction"

    @property
    def patient_apart(self) -> bool:
        """Whether the patient block is a slot of its own."""
        return self.patient_block == "apart"
