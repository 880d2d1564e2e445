"""Figures as PDF and PNG: made where the extra is there, else one sentence and nothing written."""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path

import pytest

from ehrbench import MissingError, Study
from ehrbench.studies.figure import Row, dots
from ehrbench.studies.pictures import PNG_PPI, picture_files

STUDY = (
    "study: small\ndata_dir: sample\nreport: {leaderboard: false, figures: [svg, pdf, png]}\nsettings: {limit: 3}\n"
    "models: {bm25: baseline:bm25, newest: baseline:newest}\nquestions: {q: {tasks: medalign, metrics: rouge_l}}\n"
)
SVG = dots("ROUGE-L & κ", [Row("<bm25>", 0.5, 0.4, 0.6), Row("newest", 0.2, None, None)])


def test_a_report_holds_each_figure_in_each_form(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="needs the extra figures")
    (tmp_path / "study.yaml").write_text(STUDY)
    study = Study.load(tmp_path / "study.yaml")
    study.run()
    files = {path.name: path for path in study.report().files}
    assert {"q.svg", "q.pdf", "q.png"} <= set(files)
    assert files["q.pdf"].read_bytes().startswith(b"%PDF-") and files["q.png"].read_bytes().startswith(b"\x89PNG")
    assert files["q.svg"].read_text() in (study.out / "report" / "index.html").read_text()


def test_what_is_drawn_is_the_figure_at_printers_resolution() -> None:
    pytest.importorskip("vl_convert", reason="needs the extra figures")
    made = picture_files({"f": SVG}, ("pdf", "png"))
    assert made["f.pdf"].startswith(b"%PDF-") and b"LiberationSans" in made["f.pdf"], "with its fonts"
    width, height = struct.unpack(">II", made["f.png"][16:24])
    size = re.search(r'viewBox="0 0 (\S+) (\S+)"', SVG)
    assert size is not None
    expected = [float(one) * PNG_PPI / 72 for one in size.groups()]
    assert (width, height) == (pytest.approx(expected[0], abs=2), pytest.approx(expected[1], abs=2))
    for part in ("<circle ", "<path ", "<text "):
        without = re.sub(rf"{part}[^>]*?(/>|>.*?</{part[1:-1]}>)", "", SVG)
        assert without != SVG
        assert picture_files({"f": without}, ("png",))["f.png"] != made["f.png"], f"{part} is drawn"


def test_without_the_extra_a_sentence_says_so_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    (tmp_path / "study.yaml").write_text(STUDY)
    study = Study.load(tmp_path / "study.yaml")
    study.run()
    with pytest.raises(MissingError, match=r"vl-convert-python.*pip install 'ehrbench\[figures\]', or write 'figures: svg'"):
        study.report()
    assert not (study.out / "report").exists()
    for text in ("svg", "true", "false"):
        (tmp_path / "study.yaml").write_text(STUDY.replace("[svg, pdf, png]", text))
        files = [path.suffix for path in Study.load(tmp_path / "study.yaml").report(tmp_path / text).files]
        assert files.count(".svg") == (text != "false")
