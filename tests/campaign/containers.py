"""Parquet, gzip and zip files over every reader of theirs: bits flipped, cut off, overwritten, repeated; and bombs."""

from __future__ import annotations

import gzip
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tests.campaign.guarded import each
from tests.campaign.rows import Row

PER_READER = 40
REPORT = " " * 33 + "FINAL REPORT\nEXAMINATION: CHEST\n\nFINDINGS: Clear.\n\nIMPRESSION: No pneumonia.\n"


class Seed(NamedTuple):
    """A whole file, and the reader that opens it."""

    file: Path
    read: Callable[[], object]


def damaged(chance: random.Random, content: bytes) -> bytes:
    """A file after an accident of a disk or a download."""
    kind = chance.randrange(5)
    place = chance.randrange(len(content))
    if kind == 0:
        return content[:place]
    if kind == 1:
        changed = bytearray(content)
        for _ in range(chance.choice([1, 1, 8, 64])):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        return bytes(changed)
    length = chance.choice([1, 16, 512])
    if kind == 2:
        return content[:place] + bytes(length) + content[place + length :]
    if kind == 3:
        return content[:place] + chance.randbytes(length) + content[place + length :]
    return content[:place] + content[place : place + length] * 2 + content[place + length :]


def _meds(folder: Path) -> Seed:
    import polars as pl

    from ehrbench.readers.meds.extract import open_meds

    path = folder / "data/train/0.parquet"
    path.parent.mkdir(parents=True)
    rows = [(k % 7, datetime(2150, 1, 1 + k % 28), f"LAB//{k}", k / 3, f"text {k}") for k in range(200)]
    rows.sort(key=lambda row: row[0])
    pl.DataFrame(rows, schema=["subject_id", "time", "code", "numeric_value", "text_value"], orient="row").write_parquet(path)
    return Seed(path, lambda: [data.record(subject) for data in [open_meds(folder)] for subject in data.block_of])


def _fhir(folder: Path) -> Seed:
    import json

    from ehrbench.readers.fhir.events import read_events

    (folder / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "p"}\n')
    path = folder / "Observation.ndjson.gz"
    quantity = {"value": 1.5, "unit": "mg/dL"}
    rows = [
        {"resourceType": "Observation", "subject": {"reference": "Patient/p"}, "code": {"text": f"test {k}"},
         "effectiveDateTime": f"2150-01-{1 + k % 28:02}T10:00:00Z", "valueQuantity": quantity}
        for k in range(200)
    ]  # fmt: skip
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0))
    return Seed(path, lambda: read_events(folder, ["p"]))


def _meds_codes(folder: Path) -> Seed:
    import polars as pl

    from ehrbench.readers.meds.extract import open_meds

    _meds(folder)
    path = folder / "metadata/codes.parquet"
    path.parent.mkdir()
    pl.DataFrame({"code": [f"LAB//{k}" for k in range(200)], "description": [f"word {k}" for k in range(200)]}).write_parquet(
        path
    )
    return Seed(path, lambda: open_meds(folder))


def _meds_labels(folder: Path) -> Seed:
    import polars as pl

    from ehrbench.readers import READERS

    _meds(folder)
    path = folder / "labels.parquet"
    rows = {"subject_id": [1, 2], "prediction_time": [datetime(2150, 2, 1)] * 2, "boolean_value": [True, False]}
    pl.DataFrame(rows).write_parquet(path)
    options = {"labels": "labels.parquet", "question": "Will it?"}
    return Seed(path, lambda: READERS.get("meds")(folder, options))


def _mimic_instr(folder: Path) -> Seed:
    from ehrbench.readers import READERS
    from ehrbench.readers.samples import write_sample

    root = write_sample("mimic_instr", folder / "mimic_instr")

    def read() -> None:
        dataset = READERS.get("mimic_instr")(root, {})
        load = dataset.load_record
        assert load is not None
        for item in dataset.items[:5]:
            load(str(item.record_id))

    return Seed(next((root / "records").glob("*.parquet")), read)


def _release(folder: Path) -> Path:
    from ehrbench.mimic.sample import generate

    root = folder / "mimic"
    root.mkdir()
    generate(root)
    return root


def _mimic(folder: Path, name: str) -> Seed:
    from ehrbench.mimic.tables import Mimic

    root = _release(folder)

    def read() -> None:
        mimic = Mimic(root)
        mimic.collect(mimic.scan("labevents"))

    return Seed(root / name, read)


def _mimic_gzip(folder: Path) -> Seed:
    return _mimic(folder, "hosp/labevents.csv.gz")


def _mimic_parquet(folder: Path) -> Seed:
    import polars as pl

    seed = _mimic(folder, "hosp/labevents.parquet")
    packed = seed.file.with_suffix(".csv.gz")
    pl.read_csv(packed, infer_schema=False).write_parquet(seed.file)
    packed.unlink()
    return seed


def _ehr_bench(folder: Path) -> Seed:
    from ehrbench.mimic.tables import Mimic
    from ehrbench.readers import READERS
    from ehrbench.suites.ehr_bench.build.prepare import Options, prepare

    root = folder / "ehr_bench"
    prepare(Mimic(_release(folder)), root, Options(layout="parquet"), progress=lambda line: None)
    options = {"type": "decision_making", "task": "labevents"}

    def read() -> None:
        dataset = READERS.get("ehr_bench")(root, options)
        load = dataset.load_record
        assert load is not None
        for item in dataset.items:
            load(str(item.record_id))

    used = [path for path in READERS.get("ehr_bench")(root, options).files if path.suffix == ".parquet"]
    return Seed(used[0], read)


def _ratings(folder: Path) -> Seed:
    import polars as pl

    from ehrbench.correlation.ratings import read_ratings

    path = folder / "ratings.parquet"
    items = [f"i{k // 2}" for k in range(50)]
    rows = {"item": items, "rater": ["A"] * 50, "system": ["x", "y"] * 25, "rank": [1.0, 2.0] * 25}
    pl.DataFrame(rows).write_parquet(path)
    return Seed(path, lambda: read_ratings(path))


def _notes(folder: Path) -> Seed:
    from ehrbench.suites.meds_bench.build.radiology import read_notes

    path = folder / "radiology.csv.gz"
    rows = "".join(f'{k}-RR-{k},{k},"{REPORT}"\n' for k in range(40))
    path.write_bytes(gzip.compress(f"note_id,subject_id,text\n{rows}".encode(), mtime=0))
    return Seed(path, lambda: read_notes(path, 5, 0, "clean"))


def _reports(folder: Path) -> Seed:
    from ehrbench.suites.meds_bench.build.radiology import read_reports

    path = folder / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(20):
            archive.writestr(f"files/p10/p1000{k}/s5000{k}.txt", REPORT * (k + 1))
    return Seed(path, lambda: read_reports(path, 10, 0))


def _ahrq(folder: Path) -> Seed:
    from ehrbench.mimic.ahrq import ccs_table

    path = folder / "Single_Level_CCS_2015.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        rows = "".join(f"'{k:05d}','{k % 9}  ','Title {k % 9}','x','','y'\n" for k in range(300))
        header = "'ICD-9-CM CODE','CCS CATEGORY','CCS CATEGORY DESCRIPTION','ICD-9-CM CODE DESCRIPTION','A','B'\n"
        archive.writestr("$dxref 2015.csv", f"note\n{header}{rows}")
    return Seed(path, lambda: ccs_table(folder, "diagnoses"))


def _searched(folder: Path, name: str, make: Callable[[Path], Seed]) -> Seed:
    """A data folder that the publish check reads: it says what it cannot read and goes on."""
    from ehrbench.results.leaks import Search
    from ehrbench.results.sources import search_data

    seed = make(folder)
    place = folder / "searched"
    place.mkdir()
    path = place / name
    shutil.copyfile(seed.file, path)

    def read() -> None:
        search = Search({"index.html": "text of a page"})
        list(search_data(search, place))
        list(search.findings())

    return Seed(path, read)


SEEDS: dict[str, Callable[[Path], Seed]] = {
    "Parquet: MEDS shard": _meds,
    "Parquet: MEDS codes": _meds_codes,
    "Parquet: MEDS labels": _meds_labels,
    "Parquet: MIMIC-Instr lists": _mimic_instr,
    "Parquet: EHR-Bench patient": _ehr_bench,
    "Parquet: MIMIC-IV table": _mimic_parquet,
    "Parquet: ratings": _ratings,
    "Parquet: publish check": lambda folder: _searched(folder, "a.parquet", _meds),
    "gzip: MIMIC-IV table": _mimic_gzip,
    "gzip: radiology notes": _notes,
    "gzip: FHIR resources": _fhir,
    "gzip: publish check": lambda folder: _searched(folder, "a.csv.gz", _notes),
    "zip: MIMIC-CXR reports": _reports,
    "zip: AHRQ's files": _ahrq,
    "zip: publish check": lambda folder: _searched(folder, "a.zip", _reports),
}


BOMB = 1 << 28
"""Bytes that a bomb unpacks to, from a quarter of a mebibyte."""
BOMB_S = 120
"""Seconds of the processor: the publish check reads all of it."""


def _zeros(archive: Path, member: str) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed, packed.open(member, "w") as file:
        for _ in range(BOMB >> 20):
            file.write(bytes(1 << 20))


def _zeros_gzip(path: Path, header: bytes) -> None:
    with gzip.open(path, "wb") as file:
        file.write(header)
        for _ in range(BOMB >> 20):
            file.write(b"0" * (1 << 20))


BOMBS: dict[str, Callable[[Path], None]] = {
    "zip: MIMIC-CXR reports": lambda path: _zeros(path, "files/p10/p10000/s50000.txt"),
    "zip: AHRQ's files": lambda path: _zeros(path, "$dxref 2015.csv"),
    "zip: publish check": lambda path: _zeros(path, "a.txt"),
    "gzip: radiology notes": lambda path: _zeros_gzip(path, b"note_id,subject_id,text\n"),
    "gzip: MIMIC-IV table": lambda path: _zeros_gzip(path, b"subject_id\n"),
    "gzip: FHIR resources": lambda path: _zeros_gzip(path, b'{"resourceType": "Observation"}\n'),
    "gzip: publish check": lambda path: _zeros_gzip(path, b"a,b\n"),
}
"""Small files that unpack to a thousand times their size: read in pieces or refused, within the memory of a process."""


def bombs() -> Row:
    """One row for all."""
    row = Row("small files that unpack to 256 MiB")
    for name, put in BOMBS.items():

        def make(name: str = name, put: Callable[[Path], None] = put) -> Callable[[int], None]:
            seed = SEEDS[name](Path(tempfile.mkdtemp(prefix="campaign-")))
            put(seed.file)

            def work(number: int) -> None:
                seed.read()

            return work

        each(row, range(1), make, name, BOMB_S)
    return row


def damage() -> Iterator[Row]:
    """A row for each reader."""
    for name, make_seed in SEEDS.items():
        row = Row(f"damaged {name}")

        def make(name: str = name, make_seed: Callable[[Path], Seed] = make_seed) -> Callable[[int], None]:
            folder = Path(tempfile.mkdtemp(prefix="campaign-"))
            seed = make_seed(folder)
            whole = seed.file.read_bytes()
            seed.read()  # whole, it is read

            def work(number: int) -> None:
                seed.file.write_bytes(damaged(random.Random(f"{name} {number}"), whole))
                seed.read()

            return work

        each(row, range(PER_READER), make)
        yield row
