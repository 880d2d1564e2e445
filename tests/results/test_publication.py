"""Nothing private is published: whatever of the data is pasted into a result is found, or withheld where nobody can judge it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.correlation.output import to_json
from ehrbench.errors import PolicyError
from ehrbench.leaderboard.build import build
from ehrbench.leaderboard.check import check_site
from ehrbench.results.review import judge
from ehrbench.results.schema import Result
from ehrbench.results.site_text import SiteText
from ehrbench.results.store import read_result, read_results, write_result
from ehrbench.results.submission import pack
from ehrbench.results.supplements import Correlation, MetricAgreement
from ehrbench.results.words import words_of
from tests.results.places import PLACES, in_a_caveat, in_a_stratum
from tests.results.planted import PLANTED, finished_run
from tests.support.published import text_below


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def run(finished: Path) -> Iterator[Path]:
    """The run, its result as it was made; put back afterwards."""
    result, data = (finished / "result.json").read_bytes(), finished.parents[3] / "data"
    yield finished
    (finished / "result.json").write_bytes(result)
    if (data.parent / "away").exists():
        (data.parent / "away").rename(data)


def _published(folder: Path) -> str:
    """Every word that was published, in order."""
    return " ".join(words_of(text_below(folder)))


def _plant(run: Path, place: Callable[[Result, str], None], text: str) -> None:
    result = read_result(run / "result.json")
    place(result, text)
    write_result(run / "result.json", result)


def _refused_or_withheld(make: Callable[[], object], out: Path, text: str, where: str) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        make()
    except PolicyError as error:
        assert text.lower() not in str(error).lower(), f"{where}: the refusal quotes it"
    except Exception as error:
        if "strata have a value" not in str(error):
            raise
    assert f" {' '.join(words_of(text))} " not in f" {_published(out)} ", where


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_text_is_found_or_withheld(run: Path, tmp_path: Path, kind: str) -> None:
    text = PLANTED[kind]
    clean = (run / "result.json").read_bytes()
    data = run.parents[3] / "data"
    k = list(PLANTED).index(kind)
    for place in (PLACES[k % len(PLACES)], PLACES[(k + 3) % len(PLACES)]):  # the campaign submits each at every place
        for present in (True, False):
            (run / "result.json").write_bytes(clean)
            _plant(run, place, text)
            if not present:
                data.rename(data.parent / "away")
            where = f"{kind} {place.__name__}, data {'present' if present else 'away'}"
            packed, site = tmp_path / "packed", tmp_path / "site"
            _refused_or_withheld(lambda packed=packed: pack([run], packed), packed, text, f"submit: {where}")
            _refused_or_withheld(lambda site=site: build([run], site), site, text, f"build: {where}")
            if not present:
                (data.parent / "away").rename(data)


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_text_in_a_built_site_is_found(run: Path, tmp_path: Path, kind: str) -> None:
    build([run], tmp_path / "site")
    page = tmp_path / "site/index.html"
    page.write_text(page.read_text().replace("<h1>", f"<h1>{PLANTED[kind].replace('level=', '')} ", 1))
    findings = [finding for finding in check_site(tmp_path / "site", [run]) if finding.place.startswith("index.html")]
    assert findings
    assert PLANTED[kind].lower() not in str(findings).lower()


def test_a_clean_run_is_published_whole_and_says_what_was_checked(run: Path, tmp_path: Path) -> None:
    said: list[str] = []
    (result,) = read_results(pack([run], tmp_path / "one.results.json", say=said.append).results)
    assert said == []
    assert result.reviewed is not None
    assert (result.reviewed.searched, result.reviewed.by) == (True, None)
    assert result.model_copy(update={"reviewed": None}) == read_result(run / "result.json")
    built = build([run], tmp_path / "site")
    assert (built.problems, built.withheld) == ([], [])
    assert check_site(tmp_path / "site", [run]) == []


def test_only_stated_strata_of_enough_patients_are_published_and_the_rest_is_private(run: Path) -> None:
    """Twelve items have a sentence for their level: enough patients, but no value that the task file states."""
    result = read_result(run / "result.json")
    assert result.strata == {}
    assert result.strata_withheld == {"level": 2, "age": 3}
    private = [json.loads(line)["stratum"] for line in (run / "private/strata.jsonl").read_text().splitlines()]
    assert {"age=below 40", "age=40 to 65", "age=65 and above"} < set(private)
    assert PLANTED["a stratum that is a sentence"] in private


def test_an_old_result_with_a_sentence_for_a_stratum_is_refused_without_quoting_it(run: Path, tmp_path: Path) -> None:
    _plant(run, in_a_stratum, PLANTED["a stratum that is a sentence"])
    done = CliRunner().invoke(app, ["submit", str(run), "--out", str(tmp_path)])
    assert "1 of 1 strata have a value that the task file does not state" in str(done.exception)
    assert "sawmill" not in str(done.exception) + done.output


def test_a_check_without_the_data_says_loudly_that_it_is_blind(run: Path, tmp_path: Path) -> None:
    build([run], tmp_path / "site")
    data = run.parents[3] / "data"
    data.rename(data.parent / "away")
    done = CliRunner().invoke(app, ["submit", str(run), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "WARNING: the publish check is blind for 1 of 1 runs" in done.output
    built = build([run], tmp_path / "site")
    assert "blind" in built.withheld[0]
    assert "was not compared with the data of the run" in str(check_site(tmp_path / "site", [run]))
    assert check_site(tmp_path / "site", [run], reviewed_by="A. Reader") == []
    assert "blind" not in "".join(build([run], tmp_path / "site", data_dir=data.parent / "away").withheld), "found again"


def test_a_caveat_of_ones_own_asks_for_a_reader_and_a_later_change_voids_the_reading(run: Path, tmp_path: Path) -> None:
    _plant(run, in_a_caveat, "the second ward was on another floor")
    said: list[str] = []
    (result,) = read_results(pack([run], tmp_path / "a.results.json", say=said.append).results)
    assert result.caveats == ["withheld"]
    assert said == ["ward_questions: withheld: caveats; read them and give --reviewed-by NAME to publish them"]
    read = tmp_path / "read/b.results.json"
    read.parent.mkdir()
    (result,) = read_results(pack([run], read, reviewed_by="A. Reader").results)
    assert result.caveats == ["Note: the second ward was on another floor."]
    assert "second ward" in _published(build([read.parent], tmp_path / "site").out)
    write_result(read, [result.model_copy(update={"caveats": [*result.caveats, "and upstairs"]})])
    built = build([read.parent], tmp_path / "site")
    assert "caveats" in built.withheld[0]
    assert "second ward" not in _published(built.out)


def test_the_shipped_lists_of_strata_are_those_of_the_builders() -> None:
    from ehrbench.suites.medalign.taxonomy import CATEGORY_OF
    from ehrbench.suites.mimic_instr.prediction.cohort import PHENOTYPES
    from ehrbench.suites.mimic_instr.questions.templates import QUESTION_TYPES, TEMPLATES
    from ehrbench.tasks.catalog import load_catalog

    def stated(task: str) -> dict[str, set[str]]:
        return {spec.by: set(spec.values) for spec in load_catalog().get(task).strata}

    assert stated("medalign") == {"category": set(CATEGORY_OF.values())}
    assert stated("mimic_instr.diagnosis") == {"phenotype": set(PHENOTYPES.values())}
    schema = stated("mimic_instr.schema")
    assert schema["template"] == {template.id for template in TEMPLATES}
    assert schema["event_type"] == set(QUESTION_TYPES)
    assert {template.event_type for template in TEMPLATES} == schema["event_type"]


def test_a_sentence_written_into_a_supplement_asks_for_a_reader(tmp_path: Path) -> None:
    text = "the sheepdog of the organ builder was asked, too"
    made = Correlation(
        task="medalign",
        suite="medalign",
        statistic="mean Kendall tau-b over items",
        metrics=[MetricAgreement(name="rouge_l", label="ROUGE-L", value=0.2, note="over 90 items that were ranked")],
        caveats=["6 items have no ranks of two raters"],
    )
    results, site = tmp_path / "results", tmp_path / "site"
    results.mkdir()
    (results / "correlation.json").write_text(to_json(made))
    assert build([results], site).withheld == [], "as the command wrote it"
    assert "no ranks of two raters" in _published(site)
    changed = made.sealed().model_copy(update={"caveats": [*made.caveats, text]})
    (results / "correlation.json").write_text(changed.model_dump_json())
    built = build([results], site)
    assert "correlation of medalign: withheld" in str(built.withheld) and "caveats" in str(built.withheld)
    assert " ".join(words_of(text)) not in _published(site)
    build([results], site, reviewed_by="A. Reader")
    assert " ".join(words_of(text)) in _published(site)


def test_a_models_name_that_was_typed_to_start_the_run_is_shown_without_the_data(run: Path) -> None:
    for name, shown in (("mylab/Foobarium-7B", True), ("Wolperdinger Krumholtz", False), ("ward-81400932", False)):
        result = read_result(run / "result.json")
        result.model.name = name
        judged = judge(result, searched=False, model=name)
        assert (judged.result.model.name == name) is shown, name
        assert judge(result, searched=False, model="another").result.model.name != name, "pasted into the result"


def test_the_number_of_a_cited_paper_is_no_identifier() -> None:
    cited = SiteText({"index.html": "<p>arXiv:2303.18027; https://arxiv.org/abs/2303.18027</p>"})
    assert cited.names("18027") is None
    assert SiteText({"index.html": "<p>arXiv:2303.18027, and 18027</p>"}).names("18027") is not None
    assert SiteText({"index.html": "<p>arXiv:2303.81400932</p>"}).names("81400932") is not None
