"""The addresses under which a record's pages and searches are asked for, the same in ``view`` and ``rate``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from ehrbench.errors import EhrbenchError
from ehrbench.readers.item import Item
from ehrbench.records.record import Record
from ehrbench.workbench.pages import Pages
from ehrbench.workbench.record import MOST_HITS, Span, Timeline, Timelines

Shown = Callable[[web.Request, Item], Sequence[Sequence[Span]] | None]


class RecordPages:
    """Renders the record of an item, page by page."""

    def __init__(
        self,
        pages: Pages,
        load: Callable[[str], Record] | None,
        shown: Shown = lambda request, item: None,
        absent: str = "This item has no record.",
    ) -> None:
        """Hold what reads records.

        Args:
            pages: the command's.
            load: reads one record; None where there is none to read.
            shown: the spans that a model was shown, where they are known.
            absent: what is said in a record's place.
        """
        self._pages = pages
        self._timelines = None if load is None else Timelines(load)
        self._shown = shown
        self._absent = absent

    def install(
        self,
        app: web.Application,
        base: str,
        item_of: Callable[[web.Request], Item],
        whole: Callable[[web.Request, str], Awaitable[web.Response]],
    ) -> None:
        """Add ``base``/page/N, /hits (for the script) and /search (the whole page, without one).

        Args:
            app: the application.
            base: address of the record, with the item's slots.
            item_of: the item that a request names; raises HTTPNotFound.
            whole: renders the item's page, with what was searched.
        """

        async def page(request: web.Request) -> web.Response:
            item = item_of(request)
            timeline = await self._timeline(item)
            number = request.match_info["page"]
            if timeline is None or not number.isdigit() or int(number) >= len(timeline.pages):
                raise web.HTTPNotFound
            return self._pages.page("record_page.html", page=timeline.pages[int(number)], **self._common(request, item, timeline))

        async def hits(request: web.Request) -> web.Response:
            item = item_of(request)
            timeline = await self._timeline(item)
            if timeline is None:
                raise web.HTTPNotFound
            words = await _words(request)
            found = await asyncio.to_thread(timeline.search, words)
            return self._pages.page("hits.html", hits=found, most=MOST_HITS, query=_query(request))

        async def search(request: web.Request) -> web.Response:
            item_of(request)
            return await whole(request, await _words(request))

        app.router.add_get(base + "/page/{page}", page)
        app.router.add_post(base + "/hits", hits)
        app.router.add_post(base + "/search", search)

    async def values(self, request: web.Request, item: Item, base: str, query: str, words: str) -> dict[str, Any] | str:
        """What ``record.html`` needs, or a sentence where there is no record to show."""
        try:
            timeline = await self._timeline(item)
        except EhrbenchError as error:
            return f"The record cannot be read: {error}."
        if timeline is None:
            return self._absent
        asked = request.query.get("page", "")
        number = int(asked) if asked.isdigit() and int(asked) < len(timeline.pages) else len(timeline.pages) - 1
        found = await asyncio.to_thread(timeline.search, words) if words else []
        if found:
            number = found[0].page
        kept = [(key, value) for key, value in request.query.items() if key != "page"]
        more = {"base": base, "query": query, "page": timeline.pages[number], "words": words, "hits": found, "kept": kept}
        return {**self._common(request, item, timeline), **more, "most": MOST_HITS}

    async def _timeline(self, item: Item) -> Timeline | None:
        if self._timelines is None or item.record_id is None:
            return None
        return await asyncio.to_thread(self._timelines.get, item.record_id)

    def _common(self, request: web.Request, item: Item, timeline: Timeline) -> Mapping[str, Any]:
        return {"timeline": timeline, "shown": self._shown(request, item), "readable": request.query.get("text") != "exact"}


def _query(request: web.Request) -> str:
    kept = {key: value for key, value in request.query.items() if key != "page"}
    return str(request.rel_url.with_query(kept).query_string and "?" + request.rel_url.with_query(kept).query_string)


async def _words(request: web.Request) -> str:
    """The searched words: in the body, because an address stays in histories."""
    form = await request.post()
    words = form.get("words", "")
    return words[:200] if isinstance(words, str) else ""
