"""One run from a prepared task to finished predictions: folder, plan, engine, final files."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from ehrbench.jsonl import write_atomically
from ehrbench.models.capabilities import FittedOnGolds
from ehrbench.models.protocol import Model
from ehrbench.readers import Dataset
from ehrbench.readers.data_dir import full_place
from ehrbench.readers.item import gold_class
from ehrbench.runs.alike import AlikeFailures
from ehrbench.runs.chains import ItemChain
from ehrbench.runs.choices import answering_model
from ehrbench.runs.engine import Sink, drive
from ehrbench.runs.events import ChunkFinished, ItemFinished, Listener, Note, TaskAnswered, TaskStarted, ignore
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.keys import model_key
from ehrbench.runs.manifest import command_line, write_manifest
from ehrbench.runs.options import config_hash
from ehrbench.runs.plan import plan_work
from ehrbench.runs.prediction import Prediction, Step
from ehrbench.runs.prepared import Prepared
from ehrbench.runs.shards import shard_items, write_places
from ehrbench.runs.store import PredictionStore

_log = logging.getLogger(__name__)


def generate(
    run: Prepared,
    *,
    command: str | None = None,
    on_event: Listener = ignore,
    about: Mapping[str, Any] | None = None,
) -> tuple[RunFolder, list[Prediction]]:
    """Answer every item that has no prediction yet, and bring the files into their final form.

    Args:
        run: what ``prepare`` made ready.
        command: the command line to record; None: this process's.
        on_event: told what is taken over from before, what the reader of the data found odd, and how answering goes on.
        about: further entries of the manifest, which decide no number.

    Raises:
        UsageError: another process works on the same run, or the model gives no numbers for any item.
    """
    tell_golds(run.model, run.dataset)
    task, config = run.task.task, run.config()
    name = config_hash(config)
    folder = run.folder()
    items, shard = run.items, run.options.shard
    if shard is not None:
        chosen = shard_items(run.items, shard)
        items = [item for _, item in chosen]
    folder.make()
    with folder.locked():
        extra = {
            "task": run.task.model_dump(mode="json"),
            "synthetic": run.synthetic,
            "open_data": run.dataset.open_data,
            "command": command_line() if command is None else command,
            "engine_versions": dict(run.model.identity.versions),
            **({"data_source": dict(run.dataset.source)} if run.dataset.source else {}),
            **({"track": run.dataset.track} if run.dataset.track else {}),
            **(about or {}),
            **({"approval": run.approval._asdict()} if run.approval else {}),
        }
        write_manifest(folder, config, name, extra)
        write_atomically(folder.origin, json.dumps(_origin(run)).encode())
        if shard is not None:
            write_places(folder, chosen)
        with PredictionStore(folder, items, config) as store:
            for line in _notes(run, len(store.finished), len(items)):
                on_event(Note(task, line))
            on_event(TaskStarted(task, len(items), len(store.finished)))
            alike = AlikeFailures(len(store.finished))

            def finish(prediction: Prediction) -> None:
                store.finish(prediction)
                on_event(ItemFinished(task, prediction))
                if _log.isEnabledFor(logging.INFO):
                    _log.info("%s", _ended(task, prediction))
                alike.add(prediction)

            def keep_call(chain: ItemChain, step: Step) -> None:
                store.keep_call(chain, step)
                on_event(ChunkFinished(task, chain.item.id, len(chain.steps), chain.length))
                _log.info("%s: item %s: chunk %d of %d", task, chain.item.id, len(chain.steps), chain.length)

            work = plan_work(run, [item for item in items if item.id not in store.finished], model_key(run.model.identity))
            drive(work, answering_model(run.task, run.model), Sink(finish, keep_call, store.stored))
            alike.end()
            predictions = store.finalise()
            on_event(TaskAnswered(task))
            return folder, predictions


def _notes(run: Prepared, n_finished: int, n_items: int) -> Iterator[str]:
    """What there is to know before a run starts."""
    yield from run.dataset.warnings
    if sends_whole_records(run):
        yield (
            "the server does not say how long its window is, so records are sent whole; give it as --max-model-len, so that they "
            "are fitted into it"
        )
    if n_finished:
        yield f"{n_finished} of {n_items} items are finished already"


def _ended(task: str, prediction: Prediction) -> str:
    """How an item ended, in ids, classes and numbers."""
    why = f" ({prediction.error})" if prediction.error else ""
    seconds = sum(step.seconds for step in prediction.steps)
    return f"{task}: item {prediction.item}: {prediction.outcome}{why}, {len(prediction.steps)} calls, {seconds:.1f} s"


def sends_whole_records(run: Prepared) -> bool:
    """Whether a server is given records that no window known here has limited, although the task would fit them."""
    return run.model.endpoint is not None and run.task.record is not None and run.task.record.context != "full" and not run.window


def tell_golds(model: Model, dataset: Dataset) -> None:
    """Let a baseline that is made from the gold answers see them; nothing but a baseline of this process ever does."""
    if isinstance(model, FittedOnGolds) and model.identity.backend == "baseline" and not model.is_remote:
        model.fit([gold_class(item) for item in dataset.items if item.labels or item.references])


def _origin(run: Prepared) -> dict[str, Any]:
    """Where the data are and, of a run of chosen items, which these are."""
    chosen = {} if run.options.samples is None else {"samples": [item.id for item in run.items]}
    return {"data_dir": full_place(run.options.data_dir), **chosen}
