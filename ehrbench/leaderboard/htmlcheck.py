"""Whether a page is valid, safe and leads nowhere wrong: what a browser forgives and a reader pays for."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from urllib.parse import unquote

from ehrbench.results.leaks import Finding

VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "wbr", "source"})
_BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "dl", "table", "section", "figure", "h1", "h2", "h3", "h4", "form", "details", "nav"}
)
_PARENTS = {
    "tr": {"thead", "tbody", "tfoot"},
    "td": {"tr"},
    "th": {"tr"},
    "thead": {"table"},
    "tbody": {"table"},
    "caption": {"table"},
    "li": {"ul", "ol"},
    "dt": {"dl", "div"},
    "dd": {"dl", "div"},
    "figcaption": {"figure"},
    "summary": {"details"},
}
_FETCHING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data", "embed": "src"}


def check_pages(files: Mapping[str, str]) -> Iterator[Finding]:
    """Findings in every page of a site, links between the pages included."""
    pages = {name: _Page(name, text) for name, text in files.items() if name.endswith(".html")}
    for page in pages.values():
        yield from page.findings
        for line, href in page.links:
            message = _link_fault(page.name, href, files, pages)
            if message:
                yield Finding(f"{page.name}:{line}", message)


class _Page(HTMLParser):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.name = name
        self.findings: list[Finding] = []
        self.links: list[tuple[int, str]] = []
        self.ids: set[str] = set()
        self._open: list[str] = []
        self._seen: set[str] = set()
        if not text.startswith("<!doctype html>"):
            self._report("does not begin with <!doctype html>")
        self._bare_ampersands(text)
        self.feed(text)
        self.close()
        for tag in self._open:
            self._report(f"<{tag}> is not closed")
        for needed in ("html", "title", "main", "h1", "policy", "lang"):
            if needed not in self._seen:
                self._report(f"has no {'content security policy' if needed == 'policy' else needed}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        values = {name: value or "" for name, value in attrs}
        for name in {name for name in names if names.count(name) > 1}:
            self._report(f"<{tag}> has the attribute '{name}' twice")
        self._place(tag)
        self._attributes(tag, values)
        if tag in ("html", "title", "main", "h1") and "svg" not in self._open:
            if tag in self._seen:
                self._report(f"has two <{tag}>")
            self._seen.add(tag)
        if tag == "html" and values.get("lang"):
            self._seen.add("lang")
        if values.get("http-equiv", "").lower() == "content-security-policy" and "default-src 'none'" in values.get(
            "content", ""
        ):
            self._seen.add("policy")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            self._report(f"</{tag}> closes a void element")
        elif not self._open or self._open[-1] != tag:
            self._report(f"</{tag}> where <{self._open[-1] if self._open else 'nothing'}> is open")
            if tag in self._open:
                del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]
        else:
            self._open.pop()

    def _place(self, tag: str) -> None:
        parent = self._open[-1] if self._open else ""
        if tag in _PARENTS and parent not in _PARENTS[tag]:
            self._report(f"<{tag}> stands in <{parent}>")
        if tag in _BLOCKS and "p" in self._open:
            self._report(f"<{tag}> stands in a paragraph")
        if tag in ("a", "button") and ("a" in self._open or "button" in self._open):
            self._report(f"<{tag}> stands in another link or button")
        if self._open and self._open[-1] == "tr" and tag not in ("td", "th"):
            self._report(f"<{tag}> stands in <tr>")

    def _attributes(self, tag: str, values: Mapping[str, str]) -> None:
        for name in values:
            if name.startswith("on") or name == "style":
                self._report(f"<{tag}> has the attribute '{name}', which the content policy forbids")
        if "id" in values:
            if not values["id"] or re.search(r"\s", values["id"]):
                self._report(f"<{tag}> has an empty or broken id")
            if values["id"] in self.ids:
                self._report(f"the id of a <{tag}> occurs twice")
            self.ids.add(values["id"])
        fetched = _FETCHING.get(tag)
        if fetched and fetched in values and not values[fetched].startswith("data:"):
            self._report(f"<{tag}> fetches something: a page must stand alone")
        if tag == "img" and "alt" not in values:
            self._report("<img> has no alt text")
        if tag == "a" and "href" in values:
            self.links.append((self.getpos()[0], values["href"]))

    def _bare_ampersands(self, text: str) -> None:
        outside = re.sub(r"<(script|style)\b[^>]*>.*?</\1>", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
        for match in re.finditer(r"&(?!(?:#\d+|#x[0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);)", outside):
            line = outside.count("\n", 0, match.start()) + 1
            self.findings.append(Finding(f"{self.name}:{line}", "an ampersand is not escaped"))

    def _report(self, message: str) -> None:
        self.findings.append(Finding(f"{self.name}:{self.getpos()[0]}", message))


def _link_fault(page: str, href: str, files: Mapping[str, str], pages: Mapping[str, _Page]) -> str:
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|/|\\", href):
        return "a link leads out of the site"
    target, _, anchor = href.partition("#")
    place = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(target))) if target else page
    if place not in files:
        return f"a link leads to {place[:80]}, which is not there"
    # What stands behind # on the comparison page names models.
    if anchor and place != "compare.html" and place in pages and unquote(anchor) not in pages[place].ids:
        return f"a link leads to a place in {place[:80]} that is not there"
    return ""
