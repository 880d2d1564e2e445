"""A reader of a site: a browser without a network, and what it complains of."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Reader:
    """A page, and everything that went wrong on it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}, **options)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog {dialog.message}"))
        self.page.on("request", self._request)

    def open(self, path: Path, fragment: str = "") -> Any:
        self.page.goto(path.as_uri() + fragment)
        return self.page

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")) or request.resource_type != "document":
            self.wrong.append(f"requested {request.resource_type} {request.url[:80]}")
