"""Results as runs of MLflow, in a database of their own: an experiment per task, a run per result, numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError
from ehrbench.exports.formats import new_folder, refuse_existing
from ehrbench.results.schema import Result
from ehrbench.runs.loggers.mlflow import connect, experiment, metric_name
from ehrbench.runs.loggers.numbers import scores_of

DATABASE = "mlflow.db"
_MOST_CHARACTERS = 500
"""Of a parameter's value."""


def export_runs(results: Sequence[Result], out: Path, *, force: bool = False) -> Path:
    """Write a folder with ``mlflow.db``, whole or not at all; ``mlflow ui --backend-store-uri sqlite:///out/mlflow.db`` shows it.

    Raises:
        MissingError: MLflow, or what it keeps a database with, is not installed.
        UsageError: ``out`` is there.
    """
    if absent := [name for name in ("mlflow", "sqlalchemy", "alembic") if find_spec(name) is None]:
        raise MissingError(f"--to mlflow needs {' and '.join(absent)}, not installed here: pip install 'ehrbench[mlflow]'")
    refuse_existing(out, force)
    with new_folder(out) as scratch:
        place = f"sqlite:///{scratch / DATABASE}"
        client = connect(place)
        for result in results:
            _add(client, experiment(client, result.task, place), result)
    return out / DATABASE


def _add(client: Any, its_experiment: str, result: Result) -> None:
    entities: Any = import_module("mlflow.entities")
    context = result.context
    parameters = {
        "model": result.model.name,
        "backend": result.model.backend,
        "revision": result.model.revision,
        "protocol": result.protocol,
        "track": result.track,
        "prompt": result.prompt,
        "context": context.policy if context else None,
        "window": context.window if context else None,
        "task_version": result.task_version,
        **{f"model.{name}": value for name, value in result.model.settings.items()},
    }
    tags = {
        "mlflow.user": "ehrbench",
        "kind": result.kind,
        "config_hash": result.config_hash,
        "signature": result.signature,
        "data_policy": result.data_policy,
        "synthetic": result.synthetic,
        "partial": result.partial,
        "primary": result.primary,
        "source": result.source.title if result.source else "",
    }
    run = client.create_run(its_experiment, run_name=result.model.name, tags={"mlflow.user": "ehrbench"})
    client.log_batch(
        run.info.run_id,
        metrics=[entities.Metric(metric_name(name), float(value), run.info.start_time, 0) for name, value in scores_of(result)],
        params=[
            entities.Param(metric_name(name), str(value)[:_MOST_CHARACTERS])
            for name, value in parameters.items()
            if value not in (None, "")
        ],
        tags=[entities.RunTag(name, str(value)) for name, value in tags.items() if value not in (None, "")],
    )
    client.set_terminated(run.info.run_id)
