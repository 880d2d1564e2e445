"""One page of the list: what the address asks for as SQL over the index, values bound, names checked."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ehrbench.results.schema import OUTCOMES

PAGE = 50
KINDS = {"s": "score", "o": "outcome", "f": "record seen", "p": "prompt tokens", "a": "answer tokens"}
_SORTS = re.compile(r"(n|d|flag|[sofpajh]\d+|s\d+-s\d+)\Z")
_NUMBER = re.compile(r"\d+\Z")


@dataclass(frozen=True)
class Wanted:
    """What a list's address asks for; what an address cannot mean is passed over."""

    sort: str = "n"
    """``n``: as the data have it; ``d``: metrics' disagreement; ``s0``: a run's column; ``s0-s1``: a difference."""
    down: bool = False
    outcome: str = ""
    """An outcome's name."""
    run: str = ""
    """Whose outcome; empty: any run's."""
    stratum: Mapping[str, str] = field(default_factory=dict)
    better: str = ""
    """A run that is right."""
    worse: str = ""
    """One that is wrong."""
    only: str = ""
    """``cut``, ``flagged`` or ``judges``."""
    find: str = ""
    """Key of searched words, which no address holds."""
    page: int = 0

    def query(self, **changes: Any) -> str:
        """The address's query, with some changes."""
        new = replace(self, **changes)
        parts = {"sort": new.sort, "down": "1" if new.down else "", "outcome": new.outcome, "run": new.run, "better": new.better}
        parts |= {"worse": new.worse, "only": new.only, "find": new.find, "page": str(new.page) if new.page else ""}
        parts |= {f"in.{key}": value for key, value in new.stratum.items()}
        return urlencode({key: value for key, value in parts.items() if value and (key, value) != ("sort", "n")})


def read_wanted(query: Mapping[str, str], runs: int, strata: Mapping[str, Sequence[str]]) -> Wanted:
    """Read an address's query."""

    def run(name: str) -> str:
        value = query.get(name, "")
        return value if _NUMBER.match(value) and int(value) < runs else ""

    sort = query.get("sort", "n")
    if not _SORTS.match(sort) or any(int(number) >= runs for number in re.findall(r"\d+", sort)):
        sort = "n"
    page = query.get("page", "")
    return Wanted(
        sort=sort,
        down=query.get("down") == "1",
        outcome=query.get("outcome", "") if query.get("outcome") in OUTCOMES else "",
        run=run("run"),
        stratum={key: v for key, values in strata.items() if (v := query.get(f"in.{key}", "")) in values},
        better=run("better"),
        worse=run("worse"),
        only=query.get("only", "") if query.get("only") in ("cut", "flagged", "judges") else "",
        find=query.get("find", "")[:40],
        page=int(page) if _NUMBER.match(page) and len(page) < 7 else 0,
    )


class ListRow(NamedTuple):
    """One item in the list."""

    n: int
    item: str
    question: str
    disagreement: float | None
    cells: Sequence[Mapping[str, Any]]
    """For each run: ``s o f p a j h``."""
    difference: float | None


class Listing:
    """Lists over one index."""

    def __init__(self, db: sqlite3.Connection, runs: int, middle: float, higher: bool, strata: Sequence[str]) -> None:
        """Hold the index.

        Args:
            db: as ``open_index`` gave it.
            runs: how many there are.
            middle: from which score on an answer counts as right.
            higher: whether high scores are good.
            strata: properties of items, in the index's order.
        """
        self._db, self._runs, self._middle, self._higher = db, runs, middle, higher
        self._strata = {key: f"t{i}" for i, key in enumerate(strata)}
        self.total = int(db.execute("SELECT count(*) FROM items").fetchone()[0])

    def places(self, wanted: Wanted, words: str, flagged: Iterable[str], limit: int, offset: int) -> list[int]:
        """The items of a stretch of the list, in its order."""
        where, values = self._where(wanted, words, flagged)
        sql = f"SELECT n FROM items WHERE {where} ORDER BY {self._order(wanted)} LIMIT ? OFFSET ?"  # noqa: S608
        return [n for (n,) in self._db.execute(sql, [*values, limit, offset])]

    def count(self, wanted: Wanted, words: str, flagged: Iterable[str]) -> int:
        """How many items there are under a filter."""
        where, values = self._where(wanted, words, flagged)
        return int(self._db.execute(f"SELECT count(*) FROM items WHERE {where}", values).fetchone()[0])  # noqa: S608

    def rows(self, wanted: Wanted, places: Sequence[int]) -> list[ListRow]:
        """Some items with everything that the list shows."""
        names = [f"{letter}{k}" for k in range(self._runs) for letter in "sofpajh"]
        difference = _expression(wanted.sort) if "-" in wanted.sort else "NULL"
        marks = ",".join("?" * len(places))
        sql = f"SELECT items.n, item, question, d, {difference}, {', '.join(names)} FROM items LEFT JOIN questions USING (n)"  # noqa: S608
        found = {}
        for row in self._db.execute(f"{sql} WHERE items.n IN ({marks})", list(places)):
            values = row[5:]
            cells = [dict(zip("sofpajh", values[7 * k : 7 * k + 7], strict=True)) for k in range(self._runs)]
            for cell in cells:
                cell["o"] = None if cell["o"] is None else OUTCOMES[cell["o"]]
            found[row[0]] = ListRow(row[0], row[1], row[2] or "", row[3], cells, row[4])
        return [found[n] for n in places]

    def _order(self, wanted: Wanted) -> str:
        if wanted.sort in ("n", "flag"):
            return f"n {'DESC' if wanted.down else ''}"
        return f"{_expression(wanted.sort)} {'DESC' if wanted.down else 'ASC'} NULLS LAST, n"

    def _where(self, wanted: Wanted, words: str, flagged: Iterable[str]) -> tuple[str, list[Any]]:
        parts, values = ["1"], []
        every = range(self._runs)
        if wanted.outcome:
            code = OUTCOMES.index(wanted.outcome)
            chosen = [int(wanted.run)] if wanted.run else every
            parts.append("(" + " OR ".join(f"o{k} = {code}" for k in chosen) + ")")
        for key, value in wanted.stratum.items():
            parts.append(f"{self._strata[key]} = ?")
            values.append(value)
        right, wrong = (">=", "<") if self._higher else ("<=", ">")
        if wanted.better:
            parts.append(f"s{int(wanted.better)} {right} {self._middle}")
        if wanted.worse:
            parts.append(f"s{int(wanted.worse)} {wrong} {self._middle}")
        if wanted.only == "cut":
            parts.append("(" + " OR ".join(f"f{k} < 1" for k in every) + ")")
        if wanted.only == "judges":
            parts.append("(" + " OR ".join(f"(j{k} >= 100) <> (h{k} >= 0.5)" for k in every) + ")")
        if wanted.only == "flagged":
            names = list(flagged)
            parts.append(f"item IN ({','.join('?' * len(names))})")
            values += names
        if match := _match(words):
            width = self._runs + 1
            parts.append(f"n IN (SELECT (rowid - 1) / {width} FROM words WHERE words MATCH ?)")  # noqa: S608
            values.append(match)
        return " AND ".join(parts), values


def _expression(sort: str) -> str:
    """A sort that ``_SORTS`` matched, as SQL."""
    return f"({sort.replace('-', ' - ')})" if "-" in sort else sort


def _match(words: str) -> str:
    """Words as an FTS5 query: all of them, the last as a beginning."""
    found = re.findall(r"\w+", words)
    return " ".join(f'"{word}"' + ("*" if k == len(found) - 1 else "") for k, word in enumerate(found))
