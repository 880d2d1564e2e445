"""What a public host wants beside the pages: a page for wrong addresses, a site map, words for robots, a picture for links."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from urllib.parse import urlsplit

from markupsafe import escape

from ehrbench.errors import UsageError
from ehrbench.leaderboard.files import NOT_FOUND, PLAIN
from ehrbench.leaderboard.picture import overview_picture

PICTURE = "overview.png"


def for_hosts(files: MutableMapping[str, str], title: str, address: str) -> tuple[dict[str, str], dict[str, bytes]]:
    """Files for a public host, as text and as bytes; every page gets its address and its description for links.

    Args:
        files: the site's files; pages are replaced.
        title: of the site.
        address: where the site will be, ``https://…``.

    Raises:
        UsageError: the address is not one of the web.
    """
    base = _checked(address)
    for name in list(files):
        if name.endswith(".html"):
            text = files[name]
            files[name] = text.replace("</title>\n", f"</title>\n{_cards(name, text, title, base)}", 1)
    pages = sorted(name for name in files if name.endswith(".html"))
    lines = "".join(f"<url><loc>{escape(base + _address(name))}</loc></url>\n" for name in pages)
    texts = {
        "sitemap.xml": f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n',
        "robots.txt": f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n",
        NOT_FOUND: _not_found(files["about.html"], base),
        PLAIN: "",
    }
    return texts, {PICTURE: overview_picture(files["index.html"], title)}


def _checked(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise UsageError(f"'{address[:80]}' is not an address of the web: give one like https://name.github.io/leaderboard/")
    return address.rstrip("/") + "/"


def _address(name: str) -> str:
    return "" if name == "index.html" else name


def _cards(name: str, text: str, title: str, base: str) -> str:
    """What a link to the page shows elsewhere."""
    page = re.search(r"<title>(.*?)</title>", text, re.S)
    said = re.search(r'<p class="says">(.*?)</p>', text, re.S) or re.search(r'<p class="lede">(.*?)</p>', text, re.S)
    words = " ".join(re.sub(r"<[^>]*>", "", said.group(1)).split()) if said else ""
    facts = {
        "og:title": page.group(1).strip() if page else str(escape(title)),
        "og:type": "website",
        "og:url": str(escape(base + _address(name))),
        "og:image": str(escape(base + PICTURE)),
        "og:description": words[:300],
    }
    return "".join(
        f'<meta property="{key}" content="{value.replace(chr(34), "&#34;")}">\n' for key, value in facts.items() if value
    )


def _not_found(page: str, base: str) -> str:
    """The page for wrong addresses, whose links are whole, since it stands in for any place."""
    head, rest = page[: page.index('<main id="main">')], page[page.index("</main>") :]
    head = re.sub(r"<title>.*?</title>", "<title>Not found</title>", head, count=1, flags=re.S)
    body = (
        '<main id="main">\n<h1>This page is not there</h1>\n'
        '<p>It may have been renamed. The <a href="index.html">overview</a> leads to all.</p>\n'
    )
    return re.sub(r'href="(?!https?:|#)([^"]*)"', rf'href="{escape(base)}\1"', head + body + rest)
