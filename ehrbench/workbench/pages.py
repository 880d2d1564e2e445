"""Pages from templates: every value escaped, style and script inline and allowed by their hashes, nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parent / "pages"


class Pages:
    """Renders the templates of one command."""

    def __init__(self, name: str, banner: str, scripts: Sequence[str]) -> None:
        """Load style and script.

        Args:
            name: what the pages are called ("ehrbench view").
            banner: the sentence about the data that every page shows.
            scripts: file names of what the pages run, in order.
        """
        css = (FOLDER / "workbench.css").read_text(encoding="utf-8")
        js = "".join((FOLDER / script).read_text(encoding="utf-8") for script in scripts)
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        # Our own two files are the only text that is not escaped.
        self._environment.globals.update(name=name, banner=banner, css=Markup(css), js=Markup(js))  # noqa: S704
        self._environment.filters["count"] = count
        self.policy = (
            f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(js)}'; img-src data:; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    def page(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """One page."""
        text = self._environment.get_template(template).render(**values)
        return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)

    def part(self, template: str, **values: Any) -> str:
        """A piece of a page, for the page's script to put in its place."""
        return self._environment.get_template(template).render(**values)

    def message(self, status: int, title: str, sentence: str) -> web.Response:
        """A page of one sentence; at status 200 it leads to the first page."""
        return self.page("message.html", status=status, code=status, title=title, sentence=sentence, onward=status == 200)


def count(number: int, one: str, several: str = "") -> str:
    """A number with its noun: "1 item", "12 items"."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def policy_banner(policy: str, synthetic: bool, title: str) -> str:
    """What the pages say about the data they show."""
    if synthetic:
        return f"{title}: synthetic records of invented people."
    if policy == "credentialed":
        return (
            f"{title}: credentialed patient records. They stay on this machine: do not copy, photograph, print or share them "
            "beyond what your data use agreement allows."
        )
    return f"{title}: open data."


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
