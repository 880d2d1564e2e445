"""The pages that raters see: their own items, blinded, and one address that keeps each click."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.readers.item import Item
from ehrbench.workbench.access import VISITOR, Doors, Gate
from ehrbench.workbench.pages import Pages, policy_banner
from ehrbench.workbench.rate.answers import Material
from ehrbench.workbench.rate.blinding import blind_order, blind_pairs
from ehrbench.workbench.rate.rules import TIE, WHOLE, checked, fields, missing, pair_key
from ehrbench.workbench.rate.store import Action, Stale, State, Store, Work
from ehrbench.workbench.rate.study import Study
from ehrbench.workbench.record_pages import RecordPages

MOST_SECONDS = 600.0
"""Of one action: a page that nobody touched for longer was not being read."""


class RatePages:
    """One study's application."""

    label = "ehrbench rate"

    def __init__(self, study: Study, material: Material, store: Store) -> None:
        """Put pages, ratings and material together."""
        self.study, self.material, self.store = study, material, store
        self.pages = Pages(self.label, policy_banner(study.policy, study.synthetic, study.title), ("record.js", "rate.js"))
        self.names = [system.name for system in study.systems]
        self._mine = {rater.name: study.items_of(rater.name) for rater in study.raters}
        self.records = RecordPages(self.pages, material.load_record)

    def app(self, doors: Doors | None = None) -> tuple[web.Application, Gate]:
        """The application and its gate."""
        app = web.Application(client_max_size=64 * 1024)
        gate = Gate(doors or self.store, self.pages.policy, self.pages.message)
        gate.install(app)
        app.router.add_get("/", self._list)
        app.router.add_get("/help", self._help)
        app.router.add_get("/item/{n}", self._item)
        app.router.add_post("/item/{n}", self._act)
        self.records.install(app, "/item/{n}/record", lambda request: self._opened(request)[0], self._item)
        return app, gate

    def letters(self, rater: str, item: str) -> dict[str, str]:
        """Letter to system, as this rater sees this item."""
        return blind_order(self.study.seed, rater, item, self.names)

    def said(self, item: str, letters: Mapping[str, str]) -> dict[str, list[str]]:
        """What others said, by letter; raters are shown nothing of it."""
        return {}

    def _opened(self, request: web.Request) -> tuple[Item, int]:
        """The item that an address names among the visitor's own.

        Raises:
            HTTPNotFound: it names none.
        """
        mine = self._mine.get(VISITOR.get(), [])
        number = request.match_info["n"]
        if not number.isdigit() or not 1 <= int(number) <= len(mine):
            raise web.HTTPNotFound
        return self.material.items[mine[int(number) - 1]], int(number)

    def _progress(self, rater: str) -> list[Work]:
        return [self.store.work(rater, item) for item in self._mine.get(rater, [])]

    async def _list(self, request: web.Request) -> web.Response:
        rater = VISITOR.get()
        work = self._progress(rater)
        rows = [
            (n, self.material.items[item].question, w) for n, (item, w) in enumerate(zip(self._mine[rater], work, strict=True), 1)
        ]
        onward = next((n for n, _, w in rows if not w.done), None)
        return self.pages.page(
            "rate_list.html", study=self.study, rater=rater, rows=rows, done=sum(w.done for w in work), onward=onward
        )

    async def _help(self, request: web.Request) -> web.Response:
        return self.pages.page("rate_help.html", study=self.study, rater=VISITOR.get(), whole=WHOLE)

    async def _item(self, request: web.Request, words: str = "") -> web.Response:
        rater = VISITOR.get()
        item, number = self._opened(request)
        letters = self.letters(rater, item.id)
        work = self.store.work(rater, item.id)
        answers = [(letter, self.material.answers[system][item.id]) for letter, system in letters.items()]
        total = len(self._mine[rater])
        return self.pages.page(
            "rate_item.html",
            study=self.study,
            rater=rater,
            item=item,
            number=number,
            total=total,
            done=sum(w.done for w in self._progress(rater)),
            answers=dict(answers),
            state=self._in_letters(work.state, letters),
            work=work,
            whole=WHOLE,
            missing=missing(self.study, work.state, letters),
            pairs=blind_pairs(self.study.seed, rater, item.id, self.names) if self.study.mode == "pairs" else [],
            onward=f"/item/{number + 1}" if number < total else "/",
            golds=(item.references or (", ".join(item.labels),)) if self.study.show_gold else (),
            said=self.said(item.id, letters),
            record=await self.records.values(request, item, f"/item/{number}/record", "", words),
        )

    def _in_letters(self, state: State, letters: dict[str, str]) -> dict[str, dict[str, Any]]:
        """A state as the page may know it: letters for systems."""
        letter_of = {system: letter for letter, system in letters.items()}
        shown: dict[str, dict[str, Any]] = {}
        for field, values in state.items():
            if field == "prefer":
                pairs = {tuple(letter_of[s] for s in key.split("\t")): letter_of.get(v, TIE) for key, v in values.items()}
                shown[field] = {"".join(sorted(pair)): v for pair, v in pairs.items()}
            else:
                shown[field] = {letter_of.get(subject, ""): value for subject, value in values.items()}
        return shown

    async def _act(self, request: web.Request) -> web.Response:
        rater = VISITOR.get()
        item, _ = self._opened(request)
        letters = self.letters(rater, item.id)

        def unfinished(state: State) -> list[str]:
            return missing(self.study, state, letters)

        try:
            action = self._action(await request.json(), letters)
            work = self.store.act(rater, item.id, action, lambda state: not unfinished(state))
        except Stale as stale:
            sentence = (
                "This item was changed in another window. Your last click was not kept: reload the page and continue from there."
            )
            return web.json_response({"error": sentence, "version": stale.work.version}, status=409)
        except (json.JSONDecodeError, UnicodeDecodeError):
            return web.json_response({"error": "The page sent something that cannot be read; reload it."}, status=400)
        except EhrbenchError as error:
            status = 400 if isinstance(error, UsageError) else 503
            sentence = "Your last click was not kept: the ratings cannot be written now. Tell whoever runs the study."
            return web.json_response({"error": f"{error}." if status == 400 else sentence}, status=status)
        return web.json_response({"version": work.version, "done": work.done, "missing": unfinished(work.state)})

    def _action(self, sent: Any, letters: dict[str, str]) -> Action:
        """What the page sent, with the letters' systems, checked.

        Raises:
            UsageError: it is not something that a page of this study sends.
        """
        wrong = UsageError("the page sent something that this study does not know; reload it")
        try:
            click = _Click.model_validate(sent)
        except ValidationError:
            raise wrong from None
        subject, value = click.subject, checked(self.study, click.field, click.value)
        if click.field == "prefer":
            if len(subject) != 2 or not set(subject) <= set(letters) or subject[0] == subject[1]:
                raise wrong
            if value is not None and value not in (*subject, TIE):
                raise wrong
            value = letters.get(value, value) if value is not None else None
            subject = pair_key(letters[subject[0]], letters[subject[1]])
        elif click.field in fields(self.study):
            if subject not in letters:
                raise wrong
            subject = letters[subject]
        elif subject:
            raise wrong
        return Action(click.field, subject, value, click.client, click.seen, min(click.seconds, MOST_SECONDS))


class _Click(BaseModel):
    """What a page sends."""

    model_config = ConfigDict(strict=True)
    field: str
    subject: str
    value: Any
    client: str = Field(min_length=8, max_length=64)
    seen: int
    seconds: Annotated[float, Field(strict=False, ge=0, allow_inf_nan=False)]
