"""What a task file may say to MedS-Bench's readers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ehrbench.readers.reader import ReaderOptions

Choices = Literal["options", "letters", "golds"] | tuple[str, ...]
"""A list of labels; ``options``: those that each question lists; ``letters``: their letters; ``golds``: the labels that the
file's gold answers name."""


class Options(ReaderOptions):
    """``data.options`` of ``meds_bench``."""

    folder: str
    """The category's folder in the release (``NER``)."""
    file: str
    """The task's file (``task125_….json``)."""
    cap: Annotated[int, Field(gt=0)] | None = None
    """The most items; a file with more (the full release) is sampled, and the run carries the track ``resampled``."""
    sample_seed: int = 0
    choices: Choices = ()
    label: str | None = None
    """Only instances of this label."""
    labels_from: str = ""
    """The file of the same folder that tells the label where the instances do not."""

    @field_validator("folder", "file")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not name or name in (".", "..") or any(sign in name for sign in "/\\\0"):
            raise ValueError("must be a plain name of the release (folder: NER, file: task125_….json)")
        return name


class SubmissionOptions(ReaderOptions):
    """``data.options`` of ``meds_bench_submission``."""

    file: str
    """The submission's name."""
    task_id: str
    """Which rows."""
    choices: Choices = ()
