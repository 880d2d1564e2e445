"""Runs in Weights & Biases: numbers only, and none of what its package collects by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ehrbench.runs.loggers.worker import Opening, OpenRun


def open_run(asked: Opening) -> OpenRun:
    """A run of a server, or in a folder that ``wandb sync`` sends later."""
    return _Run(asked)


class _Run:
    def __init__(self, asked: Opening) -> None:
        wandb: Any = import_module("wandb")
        offline = asked.place == "offline"
        folder = Path(os.environ.get("WANDB_DIR") or asked.folder)
        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            mode="offline" if offline else "online",
            **({} if offline else {"base_url": asked.place}),
            # Without these it would send the command line, what is printed, the machine's name, the commit and the packages.
            console="off",
            disable_code=True,
            disable_git=True,
            disable_job_creation=True,
            save_code=False,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
            host="",
            program="",
            username="",
        )
        again = asked.id if not offline else None  # offline, each start is a file of its own
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "ehrbench",
            group=asked.names.task,
            name=asked.names.model,
            config={**asked.settings, "protocol": asked.names.protocol},
            settings=settings,
            dir=str(folder),
            id=again,
            resume="allow" if again else None,
        )
        self._run.define_metric("*", step_metric="items")
        self.id = str(self._run.id)
        self.continued = bool(again and self._run.resumed)

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        self._run.log({**numbers, "items": step})

    def finish(self, complete: bool) -> None:
        self._run.finish(exit_code=0 if complete else 1)
