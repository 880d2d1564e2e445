"""Protocol pages: a section that a comment cites is there, and what they say of tasks is what the task files say."""

from __future__ import annotations

import re

from ehrbench.suites.mimic_instr.questions.templates import LIVE_TYPES, TEMPLATES
from ehrbench.tasks.catalog import load_catalog
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


def test_the_tasks_of_meds_bench_are_those_of_its_page() -> None:
    tasks = {task.data.options["file"]: task for task in load_catalog([]).tasks() if task.task.startswith("meds_bench.")}
    status = {"L": "listed", "T": "third_party", "I": "inferred"}
    rows = re.findall(r"^\| (\S+) \|.*?(task\d+\w+\.jsonl?) \((\w)(.*)$", PAGES["meds_bench"], re.MULTILINE)
    assert len(rows) >= 40
    for number, file, known, rest in rows:
        language, full, scored = (cell.strip(" *≤≈") for cell in rest.split("|")[-4:-1])
        facts = tasks[file].facts
        assert facts["file_status"] == status[known], file
        assert tasks[file].language == language, file
        assert facts["n_eval"] in (_number(scored if scored != "same" else full), f"at most {scored}"), file
        assert not number.isdigit() or facts["number"] == int(number), file


def test_the_tasks_of_ehr_bench_are_those_of_its_page() -> None:
    catalog, page = load_catalog([]), PAGES["ehr_bench"]
    decisions = re.findall(r"^\| (\w+) \| (yes|\*\*no\*\*)[^|]* \| [^|]+ \| (\w+) \|", page, re.MULTILINE)
    risks = re.findall(
        r"^\| (\w+)(?: \(sic\))? \| (ed\.edstays|hosp\.admissions|icu\.icustays|note\.discharge) \|", page, re.MULTILINE
    )
    assert (len(decisions), len(risks)) == (27, 18)
    for name, in_paper, tag in decisions:
        facts = catalog.get(f"ehr_bench.decision.{name}").facts
        assert (facts["paper_task"], facts["metric_tag"]) == (in_paper == "yes", tag), name
    for name, anchor in risks:
        assert catalog.get(f"ehr_bench.risk.{name}").facts["anchor"] == anchor


def test_the_questions_of_mimic_instr_are_as_many_as_its_page_says() -> None:
    live = [template for template in TEMPLATES if template.event_type in LIVE_TYPES]
    printed = [template for template in TEMPLATES if template.in_paper]
    counted = {
        "Table 6 of the paper": printed,
        "released code, the 8 live types": live,
        "released code + input and output": list(TEMPLATES),
    }
    for name, templates in counted.items():
        row = re.search(rf"^\| {re.escape(name)} \| (\d+) \| \**(\d+)\** \| (\d+) \|", PAGES["mimic_instr"], re.MULTILINE)
        assert row
        with_period = sum("{period}" in template.question for template in templates)
        if templates is printed:
            with_period -= 1  # the paper prints one of the prescriptions' questions without its period
        assert [len({template.row for template in templates}), len(templates), with_period] == list(map(int, row.groups()))


def _number(text: str) -> int | None:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else None
