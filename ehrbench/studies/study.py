"""A study: its cells, and what can be done with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ehrbench.errors import MissingError
from ehrbench.runs.loggers.logger import Logger
from ehrbench.runs.loggers.places import loggers
from ehrbench.runs.options import RunOptions, read_options
from ehrbench.studies.schema import StudySpec
from ehrbench.tasks.catalog import Catalog

if TYPE_CHECKING:
    from ehrbench.results.collection import Results
    from ehrbench.runs.dry_run import Estimate
    from ehrbench.runs.events import Listener
    from ehrbench.studies.report import Report
    from ehrbench.studies.state import CellState


class Cell(NamedTuple):
    """One run of the study: a model on a task under one set of settings."""

    id: str
    """Of everything that the file says of the cell, so that an edited study keeps the cells it shares with the old one."""
    model: str
    """Short name."""
    task: str
    settings: Mapping[str, Any]
    metrics: tuple[str, ...] = ()
    """Named by the questions that have the cell."""
    own_metrics: bool = True
    """Whether the task's own are wanted too."""
    repeat: str = ""
    """The same for cells that are one another's repeats under several seeds; empty for a cell that stands alone."""
    alone: str = ""
    """Why a cell that was to be repeated is not."""

    @property
    def said(self) -> str:
        """The settings in a few words."""
        return settings_text(self.settings)


class QuestionCells(NamedTuple):
    """The cells behind one table."""

    name: str
    title: str
    cells: Sequence[Cell]
    metrics: tuple[str, ...]
    """To be shown; none: all that the results have."""


@dataclass(frozen=True)
class Study:
    """A checked study; its methods are the commands ``ehrbench study run``, ``status`` and ``report``."""

    path: Path
    spec: StudySpec
    out: Path
    data_dir: str | None
    questions: Sequence[QuestionCells]
    catalog: Catalog = field(repr=False)
    samples: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    """The ids behind each value of the setting ``samples``, which says of them no more than how many there are and their hash."""
    loggers: tuple[Logger, ...] = ()
    """Who is told numbers; nobody before ``run`` or ``estimate``."""

    @property
    def cells(self) -> list[Cell]:
        """Every cell once, in the order of the questions."""
        return list({cell.id: cell for question in self.questions for cell in question.cells}.values())

    @classmethod
    def load(cls, path: Path | str, *, data_dir: Path | str | None = None, out: Path | str | None = None) -> Study:
        """Read and check a study file; nothing is written and no model is loaded.

        Args:
            path: of the YAML file.
            data_dir: in place of the file's.
            out: in place of the file's.

        Raises:
            UsageError: faults of the file, one line for each, which names file and line.
        """
        from ehrbench.studies.reading import load_study

        return load_study(Path(path), data_dir, out)

    def options(self, cell: Cell) -> RunOptions:
        """What ``ehrbench run`` would be asked for a cell."""
        out, folders = self.out / "runs", self.catalog.folders
        options = options_of(self.spec, cell.model, cell.settings, self.data_dir, out, folders, self.samples)
        return replace(options, log_to=self.loggers)

    def with_loggers(self, log_to: str | Sequence[str] = ()) -> Study:
        """The study with the loggers that are asked for here, else with those it has or its file names; nothing is opened yet.

        Raises:
            UsageError: one is unknown, or nobody is logged in.
            MissingError: its package is not installed.
        """
        if self.loggers and not log_to:
            return self
        return replace(self, loggers=loggers(log_to or self.spec.log_to, self.out))

    def run(
        self, *, on_event: Listener | None = None, recheck: bool = False, log_to: str | Sequence[str] = ()
    ) -> list[CellState]:
        """Run every cell that is not done, then the judges; a cell that fails leaves the others alone.

        Args:
            on_event: told what happens.
            recheck: go through done cells too, which asks again only where data, model or task have changed.
            log_to: who is told numbers, in place of the file's.
        """
        from ehrbench.runs.events import ignore
        from ehrbench.studies.running import run_study

        return run_study(self.with_loggers(log_to), on_event=on_event or ignore, recheck=recheck)

    def estimate(self) -> list[tuple[Cell, Estimate | str]]:
        """Calls, tokens and cost of each cell, or why they cannot be said; models are loaded and asked nothing."""
        from ehrbench.studies.running import estimate_study

        return estimate_study(self.with_loggers())

    def status(self) -> list[CellState]:
        """Where each cell is, read from the disk."""
        from ehrbench.studies.state import states

        return states(self)

    def results(self) -> Results:
        """The results of the cells that are scored.

        Raises:
            MissingError: there is none yet.
        """
        from ehrbench.results.collection import load_results

        folders = [one.folder / "result.json" for one in self.status() if one.folder is not None]
        there = [path for path in folders if path.is_file()]
        if not there:
            raise MissingError(f"no cell of {self.path} is scored yet; `ehrbench study run {self.path}` does that")
        return load_results(*there)

    def report(self, out: Path | str | None = None, *, reviewed_by: str | None = None) -> Report:
        """Write the tables, figures and leaderboard.

        Args:
            out: folder; None: ``report`` in the study's own.
            reviewed_by: who has read every text of credentialed results.

        Raises:
            MissingError: no cell is scored yet.
            PolicyError: something that must not be published would be.
        """
        from ehrbench.studies.report import write_report

        return write_report(self, Path(out) if out is not None else self.out / "report", reviewed_by)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as ``name value`` with commas."""
    return ", ".join(f"{name} {'default' if value is None else value}" for name, value in settings.items())


def options_of(
    spec: StudySpec,
    model: str,
    settings: Mapping[str, Any],
    data_dir: str | None,
    out: Path,
    folders: Sequence[Path],
    samples: Mapping[str, Sequence[str]],
) -> RunOptions:
    """What ``ehrbench run`` would be asked for a model under some settings."""
    entry = spec.models[model]
    given: dict[str, Any] = {"model": entry.model, "data_dir": data_dir, "out": out, "include_paths": tuple(folders)}
    if settings.get("samples") is not None:
        given["samples"] = samples[settings["samples"]]
    return read_options({**settings, **given}, text_arguments(entry.args))


def text_arguments(args: Mapping[str, Any]) -> dict[str, str]:
    """Arguments as the backends take them: texts, and ``true`` and ``false`` as YAML writes them."""
    return {key: json.dumps(value) if isinstance(value, bool) else str(value) for key, value in args.items()}
