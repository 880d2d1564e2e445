"""The pages of ``ehrbench view``: a list for each set of runs, a page for each item, flags and notes."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from ehrbench.judge.verdict import read_verdict
from ehrbench.metrics import METRICS
from ehrbench.readers.item import Item
from ehrbench.results.schema import OUTCOMES
from ehrbench.runs.prediction import Prediction
from ehrbench.scoring.scorables import scorable
from ehrbench.workbench.access import Doors, Gate
from ehrbench.workbench.pages import Pages, policy_banner
from ehrbench.workbench.record import Span
from ehrbench.workbench.record_pages import RecordPages
from ehrbench.workbench.view.index import meta_of, row_at
from ehrbench.workbench.view.listing import KINDS, PAGE, Listing, Wanted, read_wanted
from ehrbench.workbench.view.notes import Notes
from ehrbench.workbench.view.prompt import prompts
from ehrbench.workbench.view.runs import RunSet
from ehrbench.workbench.view.working import working

SEARCHES_HELD = 200
EXCERPT = 1_500
"""Characters of each end of a long message that the prompt's page shows."""


class SetPages:
    """The pages of one set of runs, below ``/N``."""

    def __init__(self, number: int, runs: RunSet, db: sqlite3.Connection, notes: Notes, pages: Pages) -> None:
        """Put a set's index, notes and data together."""
        self.base, self.runs, self.db, self.notes, self.pages = f"/{number}", runs, db, notes, pages
        name, label, middle, higher = runs.primary
        self.primary = label
        self.strata = meta_of(runs)
        self.listing = Listing(db, len(runs.runs), middle, higher, [s.by for s in runs.task.strata if runs.items])
        self._searches: OrderedDict[str, str] = OrderedDict()
        dataset = runs.found[0]
        absent = "This item has no record." if dataset else "The records are not on this machine."
        self.records = RecordPages(pages, dataset.load_record if dataset else None, self._shown, absent)

    def install(self, app: web.Application) -> None:
        """Add the set's addresses."""
        app.router.add_get(self.base + "/", self._list)
        app.router.add_post(self.base + "/find", self._find)
        app.router.add_get(self.base + "/flags.csv", self._flags)
        app.router.add_get(self.base + "/item/{n}", self._item)
        app.router.add_post(self.base + "/item/{n}/note", self._note)
        app.router.add_get(self.base + "/item/{n}/prompt/{run}", self._prompt)
        self.records.install(app, self.base + "/item/{n}/record", lambda request: self._opened(request)[1], self._item)

    def _wanted(self, request: web.Request) -> tuple[Wanted, str]:
        wanted = read_wanted(request.query, len(self.runs.runs), self.strata)
        words = self._searches.get(wanted.find, "")
        return (wanted if words else replace(wanted, find="")), words

    def _opened(self, request: web.Request) -> tuple[int, Item]:
        number = request.match_info["n"]
        n = int(number) - 1 if number.isdigit() and len(number) < 10 else -1
        row = self.db.execute("SELECT item FROM items WHERE n = ?", (n,)).fetchone()
        if row is None:
            raise web.HTTPNotFound
        return n, self.runs.items[n] if n < len(self.runs.items) else Item(row[0], "")

    async def _list(self, request: web.Request) -> web.Response:
        wanted, words = self._wanted(request)
        flagged = self.notes.flagged()
        count = self.listing.count(wanted, words, flagged)
        wanted = replace(wanted, page=min(wanted.page, max(0, (count - 1) // PAGE)))
        places = self.listing.places(wanted, words, flagged, PAGE, wanted.page * PAGE)
        return self.pages.page(
            "view_list.html",
            base=self.base,
            runs=self.runs,
            rows=self.listing.rows(wanted, places),
            count=count,
            total=self.listing.total,
            wanted=wanted,
            words=words,
            size=PAGE,
            primary=self.primary,
            strata=self.strata,
            outcomes=OUTCOMES,
            flagged=set(flagged),
            columns=self._columns(),
            kinds=KINDS,
            why=self.runs.found[1],
        )

    def _columns(self) -> list[str]:
        """Letters of the columns that every run's group has: those that say something of some item."""
        asked = "".join(f"max(coalesce({', '.join(f'{x}{k}' for k in range(len(self.runs.runs)))}, NULL))," for x in "fpajh")
        held = self.db.execute(f"SELECT {asked.rstrip(',')} FROM items").fetchone()  # noqa: S608
        return ["s", "o", *(letter for letter, value in zip("fpajh", held, strict=True) if value is not None)]

    async def _find(self, request: web.Request) -> web.Response:
        """Keep searched words here, and give the list an address without them."""
        form = await request.post()
        words = form.get("words", "")
        wanted, _ = self._wanted(request)
        key = ""
        if isinstance(words, str) and words.strip():
            key = secrets.token_hex(6)
            self._searches[key] = words.strip()[:200]
            while len(self._searches) > SEARCHES_HELD:
                self._searches.popitem(last=False)
        raise web.HTTPSeeOther(f"{self.base}/?{wanted.query(find=key, page=0)}")

    async def _flags(self, request: web.Request) -> web.Response:
        headers = {"Content-Disposition": 'attachment; filename="flags.csv"'}
        return web.Response(text=self.notes.table(), content_type="text/csv", charset="utf-8", headers=headers)

    async def _note(self, request: web.Request) -> web.Response:
        _, item = self._opened(request)
        form = await request.post()
        text = form.get("note", "")
        self.notes.keep(item.id, form.get("flag") == "1", text if isinstance(text, str) else "")
        query = request.query_string
        raise web.HTTPSeeOther(request.path.removesuffix("/note") + (f"?{query}" if query else "") + "#notes")

    def _prediction(self, n: int, run: int) -> tuple[Prediction | None, dict[str, float]]:
        row = self.db.execute("SELECT offset, scores FROM cells WHERE n = ? AND run = ?", (n, run)).fetchone()
        if row is None:
            return None, {}
        return Prediction.parse(row_at(self.runs.runs[run].folder.predictions, row[0])), json.loads(row[1])

    def _seen_run(self, request: web.Request) -> int:
        asked = request.query.get("see", "0")
        return int(asked) if asked.isdigit() and int(asked) < len(self.runs.runs) else 0

    def _shown(self, request: web.Request, item: Item) -> Sequence[Sequence[Span]] | None:
        if request.query.get("see") == "all":
            return None
        n, _ = self._opened(request)
        prediction, _ = self._prediction(n, self._seen_run(request))
        if prediction is None or prediction.record_shown is None:
            return None
        return [[(s, e) for s, e in spans] for spans in prediction.record_shown]

    async def _item(self, request: web.Request, words: str = "") -> web.Response:
        n, item = self._opened(request)
        wanted, find = self._wanted(request)
        against = request.query.get("mark", "gold")
        answers = []
        base = self._prediction(n, int(against))[0] if against.isdigit() and int(against) < len(self.runs.runs) else None
        for k, run in enumerate(self.runs.runs):
            prediction, scores = self._prediction(n, k)
            other = base.answer if base is not None and int(against) != k else None
            answers.append(
                {
                    "k": k,
                    "run": run,
                    "prediction": prediction,
                    "scores": [(_label(name), value) for name, value in scores.items()],
                    "working": None if prediction is None else working(scorable(run.task, item, prediction), scores, other),
                    "verdicts": self._verdicts(n, k),
                }
            )
        place, count = self._place(n, wanted, find, request.query.get("at", ""))
        before, after = (self._neighbour(wanted, find, place, step, count) for step in (-1, 1))
        query = {key: value for key, value in request.query.items() if key not in ("page", "at")}
        return self.pages.page(
            "view_item.html",
            base=self.base,
            n=n,
            item=item,
            runs=self.runs,
            answers=answers,
            against=against,
            see=request.query.get("see", "0"),
            place=place,
            count=count,
            before=before,
            after=after,
            wanted=wanted,
            address=lambda **changes: _address(f"{self.base}/item/{n + 1}", query, place, changes),
            note=self.notes.mine(item.id),
            others=self.notes.others(item.id),
            note_query=request.query_string,
            why=self.runs.found[1],
            unknown=answers[self._seen_run(request)]["prediction"],
            meta={k: v for k, v in item.meta.items() if isinstance(v, (str, int, float, bool))},
            record=await self.records.values(request, item, f"{self.base}/item/{n + 1}/record", _query(query), words),
        )

    def _place(self, n: int, wanted: Wanted, words: str, at: str) -> tuple[int, int]:
        """Where in its list an item stands, from 0, and how long the list is."""
        flagged = self.notes.flagged()
        count = self.listing.count(wanted, words, flagged)
        if at.isdigit() and int(at) < count and self.listing.places(wanted, words, flagged, 1, int(at)) == [n]:
            return int(at), count
        every = self.listing.places(wanted, words, flagged, count, 0)
        return (every.index(n), count) if n in every else (-1, count)

    def _neighbour(self, wanted: Wanted, words: str, place: int, step: int, count: int) -> str | None:
        """The address of the item before or after in the list."""
        if place < 0 or not 0 <= place + step < count:
            return None
        (n,) = self.listing.places(wanted, words, self.notes.flagged(), 1, place + step)
        return f"{self.base}/item/{n + 1}?{wanted.query()}&at={place + step}"

    def _verdicts(self, n: int, run: int) -> list[dict[str, Any]]:
        found = []
        for j, step, offset in self.db.execute("SELECT judge, step, offset FROM verdicts WHERE n = ? AND run = ?", (n, run)):
            judge = self.runs.judges[j]
            text = row_at(judge.folder.predictions, offset).get("answer") or ""
            verdict = read_verdict(text, step, judge.strict)
            first, _, reason = text.strip().partition("\n")
            order = "the reference first" if step == "reference_first" else "this answer first"
            named = {"judge": judge.judge, "reference": judge.reference, "order": order}
            found.append({**named, "verdict": verdict, "reason": reason.strip() if verdict else text})
        return found

    async def _prompt(self, request: web.Request) -> web.Response:
        n, item = self._opened(request)
        number = request.match_info["run"]
        if not number.isdigit() or int(number) >= len(self.runs.runs):
            raise web.HTTPNotFound
        prediction, _ = self._prediction(n, int(number))
        dataset, why = self.runs.found
        if prediction is None:
            raise web.HTTPNotFound
        run = self.runs.runs[int(number)]
        made = why if dataset is None else await asyncio.to_thread(prompts, run, dataset, item, prediction)
        if request.query.get("whole") == "1" and not isinstance(made, str):
            text = "\n\n".join(f"[call {p.step}, {m.role}]\n{m.content}" for p in made for m in p.messages)
            return web.Response(text=text, content_type="text/plain", charset="utf-8")
        back = f"{self.base}/item/{n + 1}?{request.query_string}"
        return self.pages.page(
            "view_prompt.html", made=made, run=run, n=n, back=back, excerpt=EXCERPT, query=request.query_string
        )


class ViewPages:
    """The whole application."""

    def __init__(self, sets: Sequence[tuple[RunSet, sqlite3.Connection, Notes]]) -> None:
        """Make the pages of every set."""
        policy = "credentialed" if any(runs.task.data.policy == "credentialed" for runs, _, _ in sets) else "open"
        synthetic = all(runs.synthetic for runs, _, _ in sets)
        names = list(dict.fromkeys(runs.title for runs, _, _ in sets))
        title = names[0] if len(names) == 1 else f"{len(names)} tasks"
        self.pages = Pages("ehrbench view", policy_banner(policy, synthetic, title), ("record.js", "view.js"))
        self.sets = [SetPages(k, runs, db, notes, self.pages) for k, (runs, db, notes) in enumerate(sets)]

    def app(self, doors: Doors) -> tuple[web.Application, Gate]:
        """The application and its gate."""
        app = web.Application(client_max_size=64 * 1024)
        gate = Gate(doors, self.pages.policy, self.pages.message)
        gate.install(app)
        app.router.add_get("/", self._sets)
        for one in self.sets:
            one.install(app)
        return app, gate

    async def _sets(self, request: web.Request) -> web.Response:
        if len(self.sets) == 1:
            raise web.HTTPSeeOther(self.sets[0].base + "/")
        tasks = [one.runs.task.task for one in self.sets]
        repeated = {task for task in tasks if tasks.count(task) > 1}
        return self.pages.page("view_sets.html", sets=self.sets, repeated=repeated)


def _label(name: str) -> str:
    return METRICS.get(name).label if name in METRICS else name


def _query(query: Mapping[str, str]) -> str:
    from urllib.parse import urlencode

    return "?" + urlencode(dict(query)) if query else ""


def _address(path: str, query: Mapping[str, str], place: int, changes: Mapping[str, str]) -> str:
    kept = {**query, **({"at": str(place)} if place >= 0 else {}), **changes}
    return path + _query({key: value for key, value in kept.items() if value})
