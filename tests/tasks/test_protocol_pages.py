"""A section that a comment cites is a heading, or a numbered row, of a protocol page."""

from __future__ import annotations

import re

from tests.conftest import ROOT

CITED = re.compile(r"protocol page,? (?:sections? )?(\d+(?:\.\d+)?)")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "protocol").glob("*.md")}


def test_every_cited_section_is_on_a_page() -> None:
    assert set(PAGES) == {"ehr_bench", "medalign", "meds_bench", "mimic_instr"}
    cited = [
        (path, number)
        for path in sorted((ROOT / "ehrbench").rglob("*.py"))
        for number in CITED.findall(" ".join(path.read_text(encoding="utf-8").split()))
    ]
    assert len(cited) > 15
    for path, number in cited:
        suite = next((name for name in PAGES if name in path.parts), None)
        pages = [PAGES[suite]] if suite else list(PAGES.values())
        chapter, _, row = number.partition(".")
        heading = rf"^#+ {re.escape(number)}[. ]"
        rows = rf"^#+ {chapter}\..*(?:.|\n)*^(?:\| *)?{row}[. |]" if row else heading
        assert any(re.search(heading, page, re.MULTILINE) or re.search(rows, page, re.MULTILINE) for page in pages), (
            f"{path.relative_to(ROOT)} cites section {number}"
        )
