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
from ehrbench.leaderboard.html import breaks


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
        css, js, compare = (
            _without_indent((folder / name).read_text(encoding="utf-8")) for name in ("site.css", "site.js", "compare.js")
        )
        self._environment.filters.update(breaks=breaks, jsonblock=json_block)
        # Our own files are the only text that is not escaped.
        self._environment.globals.update(site=site, css=Markup(css), js=Markup(js), compare_js=Markup(compare))  # noqa: S704
        self._policy = _policy(css, js)
        self._compare_policy = _policy(css, js, compare)

    def page(self, template: str, page: str, **values: Any) -> str:
        """One page.

        Args:
            template: file name of the template.
            page: the page's place from the site's root; links are made relative to it.
            values: what the template needs.
        """
        root = "../" * page.count("/")
        policy = self._compare_policy if template == "compare.html" else self._policy
        return self._environment.get_template(template).render(page=page, root=root, csp=policy, **values)


def json_block(data: object) -> Markup:
    """Data for the script of a page, free of anything that could end the element it stands in."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _policy(css: str, *scripts: str) -> str:
    """A content policy that lets in our style and scripts by their hashes, and nothing else."""
    allowed = " ".join(f"'{_source_hash(script)}'" for script in scripts)
    style = f"style-src '{_source_hash(css)}'"
    return f"default-src 'none'; {style}; script-src {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _without_indent(text: str) -> str:
    """Lines without their indentation and without comment lines: every page carries a copy."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"
