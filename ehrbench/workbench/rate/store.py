"""What raters did, in SQLite: one transaction per action, every earlier state kept, nothing overwritten unseen."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.workbench.access import digest

FILE = "ratings.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS actions (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, rater TEXT NOT NULL, item TEXT NOT NULL, client TEXT NOT NULL,
  field TEXT NOT NULL, subject TEXT NOT NULL, value TEXT NOT NULL, seconds REAL NOT NULL,
  UNIQUE (rater, client));
CREATE TABLE IF NOT EXISTS work (
  rater TEXT NOT NULL, item TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, done INTEGER NOT NULL,
  seconds REAL NOT NULL, PRIMARY KEY (rater, item));
CREATE TABLE IF NOT EXISTS links (rater TEXT PRIMARY KEY, token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cookies (cookie BLOB PRIMARY KEY, rater TEXT NOT NULL);
"""

State = dict[str, dict[str, Any]]
"""Field (``rank``, ``correct`` …) to subject (a system, a pair, or "" for the item) to value."""


class Work(NamedTuple):
    """One rater's judgement of one item, as far as it is."""

    state: State
    version: int = 0
    """Counts the actions: a page that shows an older one may not write."""
    done: bool = False
    seconds: float = 0.0
    """Time that the item was on the rater's screen."""


class Action(NamedTuple):
    """One click."""

    field: str
    subject: str
    value: Any
    """None takes the field back."""
    client: str
    """Made by the page: the same action sent twice is done once."""
    seen: int
    """The version that the page showed."""
    seconds: float = 0.0


class Stale(Exception):
    """The page that wrote showed an older state; carries the present one."""

    def __init__(self, work: Work) -> None:
        """Keep what is there now."""
        self.work = work
        super().__init__("another window was faster")


class Store:
    """The ratings of one study."""

    def __init__(self, path: Path) -> None:
        """Open, or make, the database, readable by its owner only.

        Raises:
            EhrbenchError: it is damaged, locked or cannot be written.
        """
        self.path = path
        with _explained(path):
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
            if self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    def freeze(self, plan: str) -> None:
        """Tie the ratings to a plan.

        Raises:
            UsageError: there are ratings, and they were made under another plan.
        """
        with self._transaction():
            row = self._db.execute("SELECT value FROM meta WHERE key = 'plan'").fetchone()
            rated = self._db.execute("SELECT 1 FROM actions LIMIT 1").fetchone()
            if row and row[0] != plan and rated:
                raise UsageError(
                    f"{self.path.parent.parent}/study.yaml changed in a way that changes the meaning of ratings already made "
                    "(mode, questions, systems, seed or data); restore it, or plan a new study"
                )
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('plan', ?)", (plan,))

    def work(self, rater: str, item: str) -> Work:
        """What a rater has said of an item so far."""
        with _explained(self.path):
            row = self._db.execute(
                "SELECT state, version, done, seconds FROM work WHERE rater = ? AND item = ?", (rater, item)
            ).fetchone()
        return Work({}) if row is None else Work(json.loads(row[0]), row[1], bool(row[2]), row[3])

    def all_work(self) -> dict[tuple[str, str], Work]:
        """Everything, by rater and item, in the order of their names."""
        with _explained(self.path):
            rows = self._db.execute("SELECT rater, item, state, version, done, seconds FROM work ORDER BY item, rater").fetchall()
        return {(r, i): Work(json.loads(state), version, bool(done), s) for r, i, state, version, done, s in rows}

    def act(self, rater: str, item: str, action: Action, complete: Callable[[State], bool] = lambda state: True) -> Work:
        """Keep one action; when this returns, it is on the disk.

        Args:
            rater: who acts.
            item: on what.
            action: the click.
            complete: whether a state says everything that is asked: an item is never done without.

        Raises:
            Stale: the page showed an older state than there is; nothing was changed.
            EhrbenchError: the database cannot be written; nothing was changed.
        """
        with self._transaction():
            work = self.work(rater, item)
            known = self._db.execute("SELECT 1 FROM actions WHERE rater = ? AND client = ?", (rater, action.client)).fetchone()
            if known:
                return work
            if action.seen != work.version:
                raise Stale(work)
            state, done = _changed(work.state, action), work.done
            if action.field == "done":
                done = bool(action.value)
            new = Work(state, work.version + 1, done and complete(state), work.seconds + action.seconds)
            self._db.execute(
                "INSERT INTO actions (at, rater, item, client, field, subject, value, seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (_now(), rater, item, action.client, action.field, action.subject, json.dumps(action.value), action.seconds),
            )
            self._db.execute(
                "INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?, ?, ?)",
                (rater, item, new.version, json.dumps(state, ensure_ascii=False), int(new.done), new.seconds),
            )
        return new

    def history(self, rater: str, item: str) -> list[tuple[str, str, str, Any]]:
        """Every action of a rater on an item: (when, field, subject, value), oldest first."""
        with _explained(self.path):
            rows = self._db.execute(
                "SELECT at, field, subject, value FROM actions WHERE rater = ? AND item = ? ORDER BY id", (rater, item)
            ).fetchall()
        return [(at, field, subject, json.loads(value)) for at, field, subject, value in rows]

    def links(self, raters: list[str], renew: bool = False) -> dict[str, str]:
        """Each rater's own token, made on first use; ``renew`` makes the old ones, and all cookies, worthless."""
        with self._transaction():
            if renew:
                self._db.execute("DELETE FROM links")
                self._db.execute("DELETE FROM cookies")
            known = dict(self._db.execute("SELECT rater, token FROM links"))
            fresh = {rater: secrets.token_urlsafe(24) for rater in raters if rater not in known}
            self._db.executemany("INSERT INTO links VALUES (?, ?)", fresh.items())
        return {rater: (known | fresh)[rater] for rater in raters}

    def enter(self, token: str) -> str | None:
        """Exchange a rater's token for a cookie; see ``access.Doors``."""
        with self._transaction():
            held = self._db.execute("SELECT rater, token FROM links").fetchall()
            rater = next((name for name, own in held if secrets.compare_digest(own.encode(), token.encode())), None)
            if rater is None:
                return None
            cookie = secrets.token_urlsafe(24)
            self._db.execute("INSERT INTO cookies VALUES (?, ?)", (digest(cookie), rater))
        return cookie

    def visitor(self, cookie: str) -> str | None:
        """Who holds a cookie; see ``access.Doors``."""
        with _explained(self.path):
            row = self._db.execute("SELECT rater FROM cookies WHERE cookie = ?", (digest(cookie),)).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _changed(state: Mapping[str, Mapping[str, Any]], action: Action) -> State:
    new = {field: dict(values) for field, values in state.items()}
    if action.field == "done":
        return new
    values = new.setdefault(action.field, {})
    if action.value is None:
        values.pop(action.subject, None)
    else:
        values[action.subject] = action.value
    if not values:
        del new[action.field]
    return new


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as sentences; its messages never hold a value, but they are in its own words."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "locked" in text:
            reason = "another program holds it; close that program and try again"
        elif "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
            reason = "it cannot be written; give yourself the right to write the file and its folder"
        elif "full" in text:
            reason = "no space is left on the disk; make room and try again"
        elif "malformed" in text or "not a database" in text or "damaged" in text:
            reason = "it is damaged; restore it, with its -wal file, from a copy"
        else:
            reason = f"SQLite failed ({type(error).__name__})"
        raise EhrbenchError(f"the ratings in {path} cannot be used: {reason}. What was saved before is kept") from None
    except OSError as error:
        raise EhrbenchError(f"the ratings in {path} cannot be used: {error.strerror}. What was saved before is kept") from None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
