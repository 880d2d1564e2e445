"""Runs in MLflow: an experiment per task, a run per run, numbers only."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ehrbench.runs.loggers.worker import Opening, OpenRun

_NOT_A_NAME = re.compile(r"[^/\w.\- :]")


def open_run(asked: Opening) -> OpenRun:
    """A run of a tracking server or of a database of this machine."""
    return _Run(asked)


class _Run:
    def __init__(self, asked: Opening) -> None:
        if asked.place.startswith("sqlite:///"):
            Path(asked.place.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        self._client = connect(asked.place)
        found = None if asked.id is None else self._find(asked.id)
        self.continued = found is not None
        if found is not None:
            self.id = found
            self._client.update_run(found, status="RUNNING")
            return
        tags = {"mlflow.user": "ehrbench", "protocol": asked.names.protocol}
        self.id = self._client.create_run(
            experiment(self._client, asked.names.task, asked.place), run_name=asked.names.model, tags=tags
        ).info.run_id
        entities: Any = import_module("mlflow.entities")
        self._client.log_batch(
            self.id, params=[entities.Param(metric_name(name), str(value)) for name, value in asked.settings.items()]
        )

    def _find(self, name: str) -> str | None:
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return name if run.info.lifecycle_stage == "active" else None

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        entities: Any = import_module("mlflow.entities")
        metrics = [entities.Metric(metric_name(name), float(value), now, step) for name, value in numbers.items()]
        self._client.log_batch(self.id, metrics=metrics)

    def finish(self, complete: bool) -> None:
        self._client.set_terminated(self.id, "FINISHED" if complete else "KILLED")


def connect(place: str) -> Any:
    """A client of a tracking server or a database; MLflow itself tells nobody."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    tracking: Any = import_module("mlflow.tracking")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return tracking.MlflowClient(place)


def experiment(client: Any, name: str, place: str) -> str:
    """The id of an experiment, which is made where there is none."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # Nothing but numbers is kept: without a place, a database would note a path of this machine.
    where = {"artifact_location": "file:./artifacts"} if place.startswith("sqlite:") else {}
    return str(client.create_experiment(name, **where))


def metric_name(name: str) -> str:
    """A name that MLflow takes."""
    return _NOT_A_NAME.sub("_", name)
