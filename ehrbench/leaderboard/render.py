"""Pages from templates: every value escaped, one strict content policy, styles and script inline."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ehrbench.assets import asset_dir
from ehrbench.leaderboard.html import breaks, isolated
from ehrbench.leaderboard.text import exact

SCRIPTS = {
    "": ("tools.js", "page.js", "maps.js", "boards.js", "search.js", "start.js"),
    "task.html": ("tools.js", "page.js", "boards.js", "search.js", "start.js"),
    "model.html": ("tools.js", "page.js", "search.js", "start.js"),
    "compare.html": ("tools.js", "page.js", "start.js", "compare.js"),
}
"""The scripts of a template's pages, each page carrying its own; the first entry is every other template's."""


class Renderer:
    """Renders the templates of ``leaderboard/``."""

    def __init__(self, site: Mapping[str, Any], folder: Path | None = None) -> None:
        """Load styles and script and derive the content policy from their hashes.

        Args:
            site: what every page knows.
            folder: the templates; default: those that ship with the package.
        """
        folder = folder or asset_dir("leaderboard")
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._css = _plain_lines(folder, "site.css")
        self._scripts = {name: _script(folder, *parts) for name, parts in SCRIPTS.items()}
        self._policies = {name: _policy(self._css, script) for name, script in self._scripts.items()}
        self._environment.filters.update(breaks=breaks, exact=exact, isolated=isolated, jsonblock=json_block)
        # Our own files are the only text that is not escaped.
        self._environment.globals.update(site=site)

    def page(self, template: str, page: str, **values: Any) -> str:
        """One page.

        Args:
            template: file name of the template.
            page: the page's place from the site's root; links are made relative to it.
            values: what the template needs.
        """
        root = "../" * page.count("/")
        kind = template if template in SCRIPTS else ""
        script, css = Markup(self._scripts[kind]), Markup(self._css)  # noqa: S704
        return self._environment.get_template(template).render(
            page=page, root=root, csp=self._policies[kind], css=css, js=script, **values
        )


def json_block(data: object) -> Markup:
    """Data for the script of a page, free of anything that could end the element it stands in."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _policy(css: str, script: str) -> str:
    """A content policy that lets in our style and our script by their hashes, and nothing else."""
    ours = f"style-src '{_source_hash(css)}'; script-src '{_source_hash(script)}'"
    return f"default-src 'none'; {ours}; img-src data:; base-uri 'none'; form-action 'none'"


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script(folder: Path, *names: str) -> str:
    """Scripts as one function, so that nothing of ours is global."""
    return '(function () {\n"use strict";\n' + "".join(_plain_lines(folder, name) for name in names) + "})();\n"


def _plain_lines(folder: Path, name: str) -> str:
    """A file's lines without their indentation and without comment lines: every page carries a copy."""
    lines = (line.strip() for line in (folder / name).read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"
