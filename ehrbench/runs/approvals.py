"""Recorded approvals: who allowed which endpoint to see which credentialed data, when, under which agreement."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ehrbench.errors import UsageError
from ehrbench.home import home_dir
from ehrbench.jsonl import parse, write_atomically


class Approval(NamedTuple):
    """One person's statement that an endpoint may see the text of some tasks."""

    endpoint: str
    """Scheme, host and port; nothing beyond them is part of what is approved."""
    tasks: str
    """A task, a group or ``*``."""
    approved_by: str
    agreement: str
    """The agreement or ruling that allows it."""
    date: str
    """ISO date and time, UTC."""


def approvals_file() -> Path:
    """Where approvals are recorded."""
    return home_dir() / "approvals.json"


def origin(url: str) -> str:
    """Scheme, host and port of an endpoint, in one spelling.

    Raises:
        UsageError: not an http or https address.
    """
    parts = urlsplit(url if "//" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{url}' is not an endpoint: expected https://host[:port]")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UsageError(f"'{url}' has no valid port: expected https://host[:port]") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.lower()
    return f"{parts.scheme}://{host}:{port}"


def load_approvals() -> list[Approval]:
    """Every recorded approval.

    Raises:
        UsageError: the file is damaged; nothing is taken for approved then.
    """
    path = approvals_file()
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = parse(path.read_text(encoding="utf-8"))
        return [Approval(**row) for row in rows]
    except (ValueError, TypeError):
        raise UsageError(f"{path} is damaged: repair it, or delete it and record the approvals again") from None


def record_approval(endpoint: str, tasks: str, approved_by: str, agreement: str) -> Approval:
    """Add an approval, replacing an older one for the same endpoint and tasks.

    Raises:
        UsageError: an empty name or agreement, or an endpoint that is none.
    """
    if not approved_by.strip() or not agreement.strip():
        raise UsageError("an approval needs a person (--by) and the agreement that allows it (--agreement)")
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    approval = Approval(origin(endpoint), tasks, approved_by.strip(), agreement.strip(), now)
    kept = [old for old in load_approvals() if (old.endpoint, old.tasks) != (approval.endpoint, approval.tasks)]
    path = approvals_file()
    write_atomically(path, json.dumps([a._asdict() for a in [*kept, approval]], indent=2).encode())
    path.chmod(0o600)
    return approval


def revoke_approval(endpoint: str, tasks: str) -> bool:
    """Take an approval back; False when there was none."""
    approvals = load_approvals()
    kept = [a for a in approvals if (a.endpoint, a.tasks) != (origin(endpoint), tasks)]
    if len(kept) == len(approvals):
        return False
    write_atomically(approvals_file(), json.dumps([a._asdict() for a in kept], indent=2).encode())
    return True
