"""Results as runs of MLflow, in a database of their own: an experiment per task, a run per result, numbers only."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError
from ehrbench.exports.formats import new_folder, refuse_existing
from ehrbench.results.schema import Result

DATABASE = "mlflow.db"
_NOT_A_NAME = re.compile(r"[^/\w.\- :]")
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
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        tracking: Any = import_module("mlflow.tracking")
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        client = tracking.MlflowClient(f"sqlite:///{scratch / DATABASE}")
        experiments: dict[str, str] = {}
        for result in results:
            if result.task not in experiments:
                # Nothing is kept there: without a place, MLflow would note a path of this machine.
                experiments[result.task] = client.create_experiment(result.task, artifact_location="file:./artifacts")
            _add(client, experiments[result.task], result)
    return out / DATABASE


def _add(client: Any, experiment: str, result: Result) -> None:
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
    numbers: dict[str, float] = {"n_items": float(result.n_items or 0)}
    for metric in result.metrics:
        for suffix, value in (("", metric.value), ("_low", metric.low), ("_high", metric.high)):
            if value is not None:
                numbers[_NOT_A_NAME.sub("_", metric.name) + suffix] = value
    run = client.create_run(experiment, run_name=result.model.name, tags={"mlflow.user": "ehrbench"})
    client.log_batch(
        run.info.run_id,
        metrics=[entities.Metric(name, value, run.info.start_time, 0) for name, value in numbers.items()],
        params=[
            entities.Param(_NOT_A_NAME.sub("_", name), str(value)[:_MOST_CHARACTERS])
            for name, value in parameters.items()
            if value not in (None, "")
        ],
        tags=[entities.RunTag(name, str(value)) for name, value in tags.items() if value not in (None, "")],
    )
    client.set_terminated(run.info.run_id)
