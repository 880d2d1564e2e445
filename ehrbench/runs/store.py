"""A run's stored predictions and calls: what is finished, what can be taken over, and the files' final form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.jsonl import Appender, read_rows, write_rows
from ehrbench.readers.item import Item
from ehrbench.runs.chains import ItemChain
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.runs.prediction import Prediction, Step


def read_predictions(path: Path) -> dict[str, Prediction]:
    """The predictions of a file by item id; of two for one item the later counts.

    Raises:
        UsageError: a line is not a prediction.
    """
    found = {}
    for number, row in enumerate(read_rows(path), 1):
        try:
            found[row["item"]] = Prediction.parse(row)
        except (KeyError, TypeError, AttributeError):  # the text of such an error may quote an answer
            raise UsageError(
                f"{path}:{number}: not a prediction; remove the line, and the same `ehrbench run` answers its item again"
            ) from None
    return found


class PredictionStore:
    """Appends predictions and chain steps as they finish, and brings the files into their final form at the end."""

    def __init__(self, folder: RunFolder, items: Sequence[Item], config: Mapping[str, Any]) -> None:
        """Open the files of a run that this process holds the lock of.

        Args:
            folder: the run's.
            items: in the dataset's order: the order of the final file.
            config: of the run; a run beside it that asks the same model in the same words may have answers to take over.
        """
        self._folder = folder
        self._items = items
        self._predictions = Appender(folder.predictions)
        self._calls = Appender(folder.calls)
        done = read_predictions(folder.predictions)
        self.finished = {item.id: p for item in items if (p := done.get(item.id)) and p.outcome != "api_error"}
        """Predictions that stand; items that failed for a server's or a record's sake are tried again."""
        self._config = config
        self.stored = self._stored_calls(done.values()) if len(self.finished) < len(items) else {}
        """Every call that was ever answered for this model and task, by key: in this run or in one beside it."""

    def _stored_calls(self, done: Iterable[Prediction]) -> dict[str, Step]:
        stored: dict[str, Step] = {}
        for run in sorted(self._folder.path.parent.iterdir()):
            beside = RunFolder(run)
            if run != self._folder.path and not self._may_share(beside):
                continue
            for row in read_rows(beside.calls):
                _keep(stored, Step.parse(row))
            if run != self._folder.path:
                for prediction in read_predictions(beside.predictions).values():
                    for step in prediction.steps:
                        _keep(stored, step)
        for prediction in done:
            for step in prediction.steps:
                _keep(stored, step)
        return stored

    def _may_share(self, beside: RunFolder) -> bool:
        """Whether a run asks the same model in the same way: elsewhere no call can have the key of one of ours."""
        if not beside.manifest.is_file():
            return False
        try:
            config = read_manifest(beside)["config"]
        except UsageError:  # a damaged neighbour is no reason to stop this run
            return False
        return all(config.get(part) == self._config.get(part) for part in ("model", "generation", "prompt_hash", "seed"))

    def finish(self, prediction: Prediction) -> None:
        """Store a finished item."""
        self._predictions.append(prediction.row())

    def keep_call(self, chain: ItemChain, step: Step) -> None:
        """Store a finished step of a chain that goes on."""
        self._calls.append({"item": chain.item.id, "step": len(chain.steps), **step.row()})

    def finalise(self) -> list[Prediction]:
        """Put the predictions into the dataset's order, one line per item, and drop the calls once every item holds its own.

        The result does not depend on the order in which items finished, nor on interruptions.
        """
        self.close()
        predictions = read_predictions(self._folder.predictions)
        ordered = [predictions[item.id] for item in self._items if item.id in predictions]
        write_rows(self._folder.predictions, (p.row() for p in ordered))
        if len(ordered) == len(self._items) and not any(p.outcome == "api_error" for p in ordered):
            self._folder.calls.unlink(missing_ok=True)
        return ordered

    def close(self) -> None:
        """Close the files."""
        self._predictions.close()
        self._calls.close()

    def __enter__(self) -> PredictionStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _keep(stored: dict[str, Step], step: Step) -> None:
    if step.finish != "error":
        stored[step.key] = step
