"""Score a MedS-Bench submission: its rows become a run's answers, and the run is scored and stored like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ehrbench.errors import EhrbenchError, MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_file
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, ModelIdentity, Request, Response, Tokenizer
from ehrbench.readers.data_dir import is_sample, open_dataset
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import Prepared
from ehrbench.scoring.groups import Scored
from ehrbench.scoring.loaded import as_loaded
from ehrbench.scoring.run import Progress, score_run
from ehrbench.suites.meds_bench.layout import task_id
from ehrbench.suites.meds_bench.submission.reader import SubmittedRow, item_name, read_submission
from ehrbench.suites.meds_bench.submission.reader import read as read_rows_as_items
from ehrbench.tasks.catalog import Catalog
from ehrbench.tasks.schema import FewshotSpec, PromptSpec, Protocol, TaskSpec

PROMPT = PromptSpec(user="{{ question }}", note="The submission's own prompts, which are not asked again.")


class Submitted:
    """A submission's answers in the form of a model."""

    endpoint: str | None = None
    is_remote = False
    context_length: int | None = None
    tokenizer: Tokenizer | None = None
    thinks = False
    streaming = True

    def __init__(self, name: str, path: Path, answers: Mapping[str, str]) -> None:
        """Hold the answers by item."""
        self.identity = ModelIdentity(name=name, backend="submission", revision=hash_file(path)[:16])
        self._answers = answers

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The contents joined by a newline."""
        return "\n".join(message.content for message in messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Look each item up."""
        for request in requests:
            yield Response(request.id, self._answers[request.item])

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """A submission has none."""
        raise NoProbabilitiesError("a submission holds no probabilities")

    def close(self) -> None:
        """Nothing to free."""


def model_name(path: Path) -> str:
    """The model that a submission's file name gives: what follows the last underscore."""
    return path.stem.rpartition("_")[2] or path.stem


def score_submission(
    path: Path,
    suite: str,
    catalog: Catalog,
    *,
    protocol: Protocol = "clean",
    name: str | None = None,
    data_dir: str | None = None,
    out: Path = Path("results"),
    progress: Progress | None = None,
) -> list[Scored]:
    """Score a submission's tasks and write a run folder for each.

    Where the release is in ``data_dir`` and its items are those of the rows (as many, with the same golds in the same order), the
    release's items are scored: with every gold and the right clusters. Elsewhere the submission's own golds are, and the result
    has the track ``submission``.

    Args:
        path: the CSV.
        suite: whose task ids they are.
        catalog: the tasks.
        protocol: how to score.
        name: of the model; default: what the file's name says.
        data_dir: where the release may be.
        out: where results go.
        progress: told how far each metric is.

    Raises:
        UsageError: the file is malformed or has a task id that the suite does not have.
    """
    rows = read_submission(path)
    specs = _specs(catalog, suite, protocol)
    for one, several in rows.items():
        if one not in specs:
            raise UsageError(f"{path}: row {several[0].number}: {unknown_name('task id', one, specs)}")
    name = name or model_name(path)
    return [_score(path, one, several, specs[one], protocol, name, data_dir, out, progress) for one, several in rows.items()]


def _specs(catalog: Catalog, suite: str, protocol: Protocol) -> dict[str, TaskSpec]:
    if suite not in catalog.groups():
        raise UsageError(unknown_name("suite", suite, {group for group in catalog.groups() if "." not in group}))
    found = {task_id(str(spec.data.options.get("file", ""))): spec for spec in catalog.select(suite, protocol)}
    if "" in found:
        raise UsageError(f"the suite '{suite}' has no task ids, so no submission of it can be scored")
    return found


def _score(
    path: Path,
    name_of_task: str,
    rows: Sequence[SubmittedRow],
    spec: TaskSpec,
    protocol: Protocol,
    name: str,
    data_dir: str | None,
    out: Path,
    progress: Progress | None,
) -> Scored:
    task = spec.model_copy(update={"prompt": PROMPT, "variants": {}, "fewshot": FewshotSpec(k=0)})
    dataset = _release(spec, data_dir, rows)
    if dataset is not None:
        answers = {item.id: row.output for item, row in zip(dataset.items, rows, strict=True)}
    else:
        options = {"file": path.name, "task_id": name_of_task, "choices": spec.data.options.get("choices", [])}
        data = spec.data.model_copy(update={"reader": "meds_bench_submission", "path": ".", "options": options})
        caveat = "Scored against the golds that the submission itself holds, the first of each item."
        task = task.model_copy(update={"data": data, "caveats": (*spec.caveats, caveat)})
        data_dir = str(path.resolve().parent)
        dataset = read_rows_as_items(path.parent, options)
        answers = {item_name(row, name_of_task): row.output for row in rows}
    settings = RunOptions(protocol=protocol, prompt="submitted", data_dir=data_dir, out=out)
    model = Submitted(name, path, answers)
    run = Prepared(task, dataset, dataset.items, model, None, settings, None, is_sample(data_dir))
    folder, predictions = generate(run)
    loaded = as_loaded(run, folder, predictions)
    return Scored(loaded, score_run(loaded, progress=progress))


def _release(spec: TaskSpec, data_dir: str | None, rows: Sequence[SubmittedRow]) -> Dataset | None:
    """The release's items where they are at hand and are those of the rows."""
    try:
        dataset = open_dataset(spec, data_dir)
    except MissingError:
        return None
    except EhrbenchError:
        if data_dir is not None:
            raise
        return None
    return dataset if _same(dataset.items, rows) else None


def _same(items: Sequence[Item], rows: Sequence[SubmittedRow]) -> bool:
    return len(items) == len(rows) and all(item.references[0] == row.gold for item, row in zip(items, rows, strict=True))
