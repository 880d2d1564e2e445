import gzip
import json
import re
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from ehrbench.errors import EhrbenchError, PolicyError
from ehrbench.leaderboard.build import build, make_site
from ehrbench.leaderboard.check import check_files, check_site
from ehrbench.leaderboard.files import read_text, to_bytes
from ehrbench.leaderboard.htmlcheck import check_pages
from ehrbench.results.published import published_results, published_supplements
from ehrbench.results.store import write_result
from tests.leaderboard.sample import season
from tests.results.factory import make_metric, make_result

SENTENCE = "The patient was started on lisinopril ten milligrams daily after the second visit in March"


def _run(folder: Path, *, item: str = "medalign-00417", answer: str = SENTENCE, **changes: object) -> Path:
    write_result(folder / "result.json", make_result(**changes))  # type: ignore[arg-type]
    (folder / "private").mkdir(parents=True)
    row = {"item": item, "outcome": "answered", "answer": answer, "steps": [{"text": answer}]}
    (folder / "private/predictions.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def test_a_site_of_everything_passes() -> None:
    results = [*season(hostile=True), *published_results()]
    assert check_files(make_site(results, supplements=published_supplements())) == []


def test_a_quoted_sentence_keeps_the_site_from_being_built_and_is_not_repeated(tmp_path: Path) -> None:
    _run(tmp_path / "runs/a", metrics=[make_metric(note=f"Seen: {SENTENCE[:70]}, and so on.")])
    with pytest.raises(PolicyError) as caught:
        build([tmp_path / "runs"], tmp_path / "site")
    said = str(caught.value)
    assert re.search(r"withheld-texts-1\.json:1: quotes 8 or more words of a/private/predictions.jsonl, line 1", said)
    assert "lisinopril" not in said
    assert not (tmp_path / "site").exists()
    assert caught.value.exit_code == 4


def test_a_sentence_quoted_by_an_open_run_is_found_on_the_page(tmp_path: Path) -> None:
    _run(tmp_path / "runs/a", data_policy="open", metrics=[make_metric(note=f"Seen: {SENTENCE[:70]}, and so on.")])
    with pytest.raises(PolicyError, match=r"index\.html:\d+: quotes 8 or more words of a/private/predictions.jsonl, line 1"):
        build([tmp_path / "runs"], tmp_path / "site")


def test_seven_common_words_are_not_a_quotation_and_five_rare_ones_are(tmp_path: Path) -> None:
    common, rare = "what was it that they had then", "lisinopril ten milligrams daily after"
    for k, (words, is_quotation) in enumerate({common: False, rare: True}.items()):
        runs = tmp_path / f"runs{k}"
        _run(runs / "a", answer=f"{words}?", metrics=[make_metric(note=f"Here {words} or so.")])
        if is_quotation:
            with pytest.raises(PolicyError, match="quotes 5 rare words of a/private/predictions.jsonl"):
                build([runs], tmp_path / "site")
        else:
            build([runs], tmp_path / "site")


@pytest.mark.parametrize("place", ["name", "caveat", "command"])
def test_an_item_id_is_found_wherever_it_stands(tmp_path: Path, place: str) -> None:
    changes = {
        "name": {"model": "run-of-00417233"},
        "caveat": {"caveats": ["Item 00417233 was odd."]},
        "command": {"command": "ehrbench run --item 00417233"},
    }[place]
    _run(tmp_path / "runs/a", item="00417233", **changes)
    with pytest.raises(PolicyError, match=r"holds the id of the item in a/private/predictions.jsonl, line 1"):
        build([tmp_path / "runs"], tmp_path / "site")


def test_an_instruction_id_in_a_file_name_is_found_with_its_place(tmp_path: Path) -> None:
    _run(tmp_path / "runs/a", item="1234567890123456789")
    build([tmp_path / "runs"], tmp_path / "site")
    (tmp_path / "site/data/1234567890123456789.csv").write_text("a\n")
    findings = check_site(tmp_path / "site", [tmp_path / "runs"])
    assert [finding.place for finding in findings] == ["data/…"]


def test_numbers_of_our_own_are_no_identifiers(tmp_path: Path) -> None:
    # 300000 tokens were used: an item of that name must not make the site unpublishable.
    _run(tmp_path / "runs/a", item="304000")
    build([tmp_path / "runs"], tmp_path / "site")


def test_records_questions_and_columns_of_the_data_are_searched(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "ehrs").mkdir(parents=True)
    (data / "ehrs/EHR_900000001.xml").write_text(f"<ehr><note>\n{SENTENCE[:40]}\n{SENTENCE[41:]}</note></ehr>")
    with gzip.open(data / "questions.tsv.gz", "wt") as file:
        file.write("instruction_id\tquestion\n55501234\tWhich drug was begun for the high pressure of this patient then?\n")
    cases = {
        SENTENCE: r"quotes 8 or more words of EHR_900000001.xml, line 3",
        "which drug was begun for the high pressure": r"quotes 8 or more words of questions.tsv.gz, line 2",
        "see 55501234": r"holds an identifier of questions.tsv.gz, line 2",
        "see 900000001": r"also a file name in the data",
    }
    for k, (note, said) in enumerate(cases.items()):
        runs = tmp_path / f"runs{k}"
        write_result(runs / "result.json", make_result(metrics=[make_metric(note=note)]))
        with pytest.raises(PolicyError, match=said):
            build([runs], tmp_path / "site", data_dir=data)
    write_result(tmp_path / "clean/result.json", make_result())
    build([tmp_path / "clean"], tmp_path / "site", data_dir=data)
    (data / "notes.parquet").write_bytes(b"PAR1")
    with pytest.raises(PolicyError, match="cannot be searched"):
        build([tmp_path / "clean"], tmp_path / "site", data_dir=data)


@pytest.mark.parametrize("place", ["private/ratings.sqlite", "data/ratings.sqlite"])
def test_what_raters_wrote_is_searched(place: str, tmp_path: Path) -> None:
    path = tmp_path / "study" / place
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as ratings, ratings:
        ratings.execute("CREATE TABLE actions (item TEXT, value TEXT, seconds REAL, note BLOB)")
        ratings.execute("INSERT INTO actions VALUES (?, ?, 1.5, NULL)", ("instruction-55501234", json.dumps({"why": SENTENCE})))
    data_dir = path.parent if place.startswith("data") else None
    for note, said in ((SENTENCE, "quotes 8 or more words of"), ("see instruction-55501234", "holds an identifier of")):
        write_result(tmp_path / "runs/result.json", make_result(metrics=[make_metric(note=note)]))
        with pytest.raises(PolicyError, match=f"{said}.*ratings.sqlite"):
            build([tmp_path / "runs", tmp_path / "study"], tmp_path / "site", data_dir=data_dir)
    write_result(tmp_path / "runs/result.json", make_result())
    build([tmp_path / "runs", tmp_path / "study"], tmp_path / "site", data_dir=data_dir)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(EhrbenchError, match="ratings.sqlite.* cannot be searched for leaks.*: repair or remove"):
        build([tmp_path / "runs", tmp_path / "study"], tmp_path / "site", data_dir=data_dir)


def test_small_cells_in_the_downloads_are_found() -> None:
    site = make_site([make_result(n_groups=24)])
    (place,) = (name for name in site if name.startswith("data/results--"))
    results = json.loads(site[place])
    results[0]["n_groups"] = 9
    findings = check_files(site | {place: json.dumps(results)})
    assert [finding.message for finding in findings] == ["shows numbers of fewer than 11 patients"]
    results[0] |= {"n_groups": 24, "strata": {"kind=rare": [make_metric(n=4).model_dump(mode="json")]}}
    findings = check_files(site | {place: json.dumps(results)})
    assert [finding.message for finding in findings] == ["shows a subset of fewer than 11 items"]
    findings = check_files(site | {place: "{}"})
    assert "build the site again" in findings[0].message


def test_archives_in_a_site_are_looked_into(tmp_path: Path) -> None:
    write_result(tmp_path / "runs/result.json", make_result(n_groups=24))
    build([tmp_path / "runs"], tmp_path / "site")
    assert check_site(tmp_path / "site", reviewed_by="A. Reader") == []
    (place,) = (tmp_path / "site/data").glob("*.zip")
    text = read_text(place)
    place.write_bytes(to_bytes(place.name, text.replace('"n_groups":24', '"n_groups":9')))
    (finding,) = check_site(tmp_path / "site", reviewed_by="A. Reader")
    assert finding.message == "shows numbers of fewer than 11 patients"
    place.write_bytes(b"PK")
    finding, *_ = check_site(tmp_path / "site", reviewed_by="A. Reader")
    assert finding.message.startswith("cannot be looked into")
    place.write_bytes(to_bytes(place.name, text))
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr("more.txt", "unseen")
    finding, *_ = check_site(tmp_path / "site", reviewed_by="A. Reader")
    assert finding.message.startswith("cannot be looked into")


PAGE = make_site([make_result()])["index.html"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("</main>", "", "</body> where <main> is open"),
        ("<h1>", '<h1 onclick="go()">', "'onclick'"),
        ("<h1>", '<h1 style="color:red">', "'style'"),
        ("<h1>", '<img src="https://example.org/a.png" alt=""><h1>', "fetches something"),
        ("<h1>", "<h1>a & b ", "ampersand"),
        ("<h1>", '<p id="main">x</p><h1>', "occurs twice"),
        ("<h1>", "<p>a<ul><li>b</li></ul></p><h1>", "<ul> stands in a paragraph"),
        ("<h1>", "<tr></tr><h1>", "<tr> stands in <main>"),
        ("<h1>", '<a href="https://example.org">x</a><h1>', "leads out of the site"),
        ("<h1>", '<a href="javascript:alert(1)">x</a><h1>', "leads out of the site"),
        ("<h1>", '<a href="../../etc/passwd">x</a><h1>', "is not there"),
        ("<h1>", '<a href="methods.html#nowhere">x</a><h1>', "a place in methods.html that is not there"),
        ('<html lang="en">', "<html>", "has no lang"),
        ("default-src &#39;none&#39;", "default-src *", "has no content security policy"),
    ],
)
def test_a_broken_page_is_found_with_its_line(old: str, new: str, said: str) -> None:
    site = make_site([make_result()])
    assert PAGE.count(old) == 1
    findings = list(check_pages(site | {"index.html": site["index.html"].replace(old, new)}))
    assert any(said in finding.message for finding in findings), findings
    assert all(re.match(r"index\.html:\d+$", finding.place) for finding in findings)
