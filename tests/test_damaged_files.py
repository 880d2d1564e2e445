"""Damaged Parquet and zip files from elsewhere are named in one sentence; the campaign tries many more."""

from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl
import pytest
from polars.exceptions import ComputeError, PanicException

from ehrbench.errors import UsageError
from ehrbench.parquet import readable_parquet, write_parquet
from ehrbench.readers.meds.extract import open_meds
from ehrbench.suites.meds_bench.build.radiology import read_reports
from ehrbench.zips import open_zip, read_member

REPORT = "FINDINGS: Clear. IMPRESSION: No pneumonia."


@pytest.mark.parametrize("error", [ComputeError("Anna Huber"), PanicException("Anna Huber"), OSError("Anna Huber")])
def test_whatever_polars_raises_is_one_sentence_without_its_text(error: BaseException) -> None:
    with pytest.raises(UsageError) as caught, readable_parquet(Path("a.parquet"), "copy it again", "MEDS: "):
        raise error
    assert str(caught.value) == f"MEDS: a.parquet is not a readable Parquet file ({type(error).__name__}); copy it again"


def test_a_page_that_only_a_record_needs_is_named_when_it_is_read(tmp_path: Path) -> None:
    shard = tmp_path / "data/0.parquet"
    shard.parent.mkdir()
    texts = [f"text number {k}" for k in range(500)]
    rows = pl.DataFrame({"subject_id": [1] * 500, "time": [None] * 500, "code": ["A"] * 500, "text_value": texts})
    rows.with_columns(pl.col("time").cast(pl.Datetime("us"))).write_parquet(shard, compression="zstd")
    content = bytearray(shard.read_bytes())
    place = content.rindex(bytes.fromhex("28b52ffd"))  # where the last column's page, packed with zstd, begins
    content[place + 8 : place + 24] = bytes(16)
    shard.write_bytes(content)
    data = open_meds(tmp_path)
    with pytest.raises(UsageError, match="0.parquet is not a readable Parquet file .*; copy it again"):
        data.record(1)


def test_a_damaged_archive_of_reports_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reports.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("files/p10/p1/s1.txt", REPORT)
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF  # within the packed report
    path.write_bytes(content)
    with pytest.raises(UsageError, match="reports.zip is not a whole zip file; download it again"):
        read_reports(path, 1, 0)


def test_a_member_that_unpacks_to_more_than_was_asked_for_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(5000))
    with (
        open_zip(path, "download it again") as archive,
        pytest.raises(UsageError, match="a.txt unpacks to 5,000 bytes, and 4,999 are the most"),
    ):
        read_member(archive, "a.txt", 4999)


def test_a_full_disk_under_a_table_is_the_systems_error(tmp_path: Path) -> None:
    """Polars alone would raise an error that has no number, which a command would take for a bug."""
    import resource
    import signal

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_parquet(pl.DataFrame({"a": range(1000)}), tmp_path / "a.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
