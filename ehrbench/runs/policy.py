"""The data-policy gate: credentialed text leaves this machine only to an endpoint somebody approved."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ehrbench.errors import PolicyError
from ehrbench.models.protocol import Model
from ehrbench.runs.approvals import Approval, load_approvals, origin
from ehrbench.tasks.schema import TaskSpec

if TYPE_CHECKING:
    from ehrbench.runs.loggers.logger import Logger


def check_policy(task: TaskSpec, model: Model, open_data: bool = False) -> Approval | None:
    """Pass, or refuse before anything is sent.

    Args:
        task: whose text would be sent.
        model: who would see it.
        open_data: these data are open whatever the task's are: the bundled sample, or built from the open demo.

    Returns:
        The approval under which a remote endpoint may see credentialed text; None where none is needed.

    Raises:
        PolicyError: no approval is recorded for this endpoint and task.
    """
    if task.data.policy == "open" or open_data or not model.is_remote:
        return None
    endpoint = origin(model.endpoint or "")
    if (approval := approval_for(task, endpoint, load_approvals())) is not None:
        return approval
    raise PolicyError(
        f"task '{task.task}' is credentialed and {endpoint} is not this machine, so nothing was sent; if your data use agreement "
        f"allows this endpoint, record it: ehrbench approve {endpoint} --tasks {task.task} --by NAME --agreement TEXT"
    )


def check_logger(task: TaskSpec, logger: Logger, open_data: bool = False) -> None:
    """Pass, or refuse a logger on another machine: numbers about a task's data are sent only where somebody approved it.

    Raises:
        PolicyError: no approval is recorded for this endpoint and task.
    """
    if task.data.policy == "open" or open_data or logger.endpoint is None:
        return
    if approval_for(task, logger.endpoint, load_approvals()) is None:
        raise PolicyError(
            f"task '{task.task}' is credentialed and {logger.endpoint} is not this machine, so nothing was sent; log on this "
            f"machine (--log-to {logger.local}), or, if your data use agreement allows this endpoint, record it: "
            f"ehrbench approve {logger.endpoint} --tasks {task.task} --by NAME --agreement TEXT"
        )


def approval_for(task: TaskSpec, endpoint: str, approvals: Iterable[Approval]) -> Approval | None:
    """The approval under which an endpoint (as ``origin`` spells it) may see a task's text; None where there is none."""
    names = (task.task, *task.groups())
    fitting = (a for a in approvals if a.endpoint == endpoint and any(fnmatch.fnmatchcase(name, a.tasks) for name in names))
    return next(fitting, None)


def silence_libraries() -> None:
    """Switch off the telemetry and the downloads of libraries, for every run: only models are spoken to."""
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_DO_NOT_TRACK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }.items():
        os.environ.setdefault(name, value)
