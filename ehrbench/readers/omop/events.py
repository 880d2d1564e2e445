"""OMOP's clinical tables as events: what each is, its value and unit, what modifies it, and when it ended.

An end is an event of its own, so that a record which stops at a time does not tell what came after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ehrbench.errors import UsageError
from ehrbench.readers.events import MAX_UNUSABLE, Events, told_of
from ehrbench.readers.meds.codes import Meaning, one_line
from ehrbench.readers.omop.tables import ROW, Table, find_table, need_table, number, text, whole
from ehrbench.readers.times import day_end, moment

MODIFIERS = (
    "quantity",
    "route",
    "operator",
    "range_low",
    "range_high",
    "days_supply",
    "sig",
    "qualifier",
    "modifier",
    "note_class",
)
"""Columns that an event's line ends with, ``unit`` aside."""


class Domain(NamedTuple):
    """How one table becomes events."""

    table: str
    kind: str
    concept: str
    """Of what it is about; empty: ``source`` names it."""
    source: str
    """The source's own name."""
    start: str
    """Column of the time, without ``_date`` or ``_datetime``."""
    end: str = ""
    number: str = ""
    value_concept: str = ""
    text: str = ""
    unit: str = ""
    """Stem of ``_concept_id`` and ``_source_value``."""
    concepts: Mapping[str, str] = {}
    """Modifier to the stem of its concept."""
    plain: Mapping[str, str] = {}
    """Modifier to its column."""


DOMAINS = (
    Domain("visit_occurrence", "VISIT", "visit_concept_id", "visit_source_value", "visit_start", "visit_end"),
    Domain(
        "condition_occurrence", "CONDITION", "condition_concept_id", "condition_source_value", "condition_start", "condition_end"
    ),
    Domain(
        "drug_exposure", "DRUG", "drug_concept_id", "drug_source_value", "drug_exposure_start", "drug_exposure_end",
        number="quantity", unit="dose_unit", concepts={"route": "route"}, plain={"days_supply": "days_supply", "sig": "sig"},
    ),
    Domain(
        "measurement", "MEASUREMENT", "measurement_concept_id", "measurement_source_value", "measurement",
        number="value_as_number", value_concept="value_as_concept_id", text="value_source_value", unit="unit",
        concepts={"operator": "operator"}, plain={"range_low": "range_low", "range_high": "range_high"},
    ),
    Domain(
        "observation", "OBSERVATION", "observation_concept_id", "observation_source_value", "observation",
        number="value_as_number", value_concept="value_as_concept_id", text="value_as_string", unit="unit",
        concepts={"qualifier": "qualifier"},
    ),
    Domain(
        "procedure_occurrence", "PROCEDURE", "procedure_concept_id", "procedure_source_value", "procedure", "procedure_end",
        concepts={"modifier": "modifier"}, plain={"quantity": "quantity"},
    ),
    Domain("note", "NOTE", "", "note_title", "note", text="note_text", concepts={"note_class": "note_class"}),
)  # fmt: skip


def read_events(root: Path, persons: Sequence[int]) -> Events:
    """All events of some persons.

    Args:
        root: holds the tables.
        persons: whose.

    Raises:
        MissingError: there is no ``person`` or no ``concept``, or none of the clinical tables.
        UsageError: a table is malformed, or too many of its rows lack a time or a known person.
    """
    wanted = pl.Series("person_id", list(persons), pl.Int64).unique()
    people = Table(need_table(root, "person", "which says who the patients are"), ("person_id", "year_of_birth"))
    known = people.rows(["person_id"], "person_id")["person_id"]
    files, warnings = [people.path], list[str]()
    parts = [_people(people, wanted)]
    for domain in DOMAINS:
        path = find_table(root, domain.table)
        if path is not None:
            files.append(path)
            parts.append(_events(Table(path, ("person_id", f"{domain.start}_date")), domain, known, wanted, warnings))
    if len(parts) == 1:
        need_table(root, "condition_occurrence", f"nor any of {', '.join(domain.table for domain in DOMAINS)}")
    concepts = need_table(root, "concept", "without which codes have no names; get the vocabularies from Athena")
    files.append(concepts)
    rows = pl.concat([pl.DataFrame(schema={"numeric_value": pl.Float64, "concept": pl.Int64}), *parts], how="diagonal_relaxed")
    named = _concepts(concepts, rows)
    return _named(rows, named, Events(rows, {}, files=files, warnings=warnings, modifiers=("unit", *MODIFIERS)))


def _people(table: Table, wanted: pl.Series) -> pl.DataFrame:
    """Birth, sex, race and ethnicity, without a time but for birth: of a year without month or day, its first."""
    kinds = {"GENDER": "gender", "RACE": "race", "ETHNICITY": "ethnicity"}
    columns = ["person_id", "year_of_birth", "month_of_birth", "day_of_birth", "birth_datetime"]
    columns += [f"{stem}_{part}" for stem in kinds.values() for part in ("concept_id", "source_value")]
    rows = table.rows(columns, "person_id", wanted)
    if rows["person_id"].is_duplicated().any():
        again = rows.filter(~pl.col("person_id").is_first_distinct())[ROW][0]
        raise UsageError(f"OMOP: {table.path}: row {again}: the person is in an earlier row, too; expected one row per person")
    day = pl.date(whole("year_of_birth"), whole("month_of_birth").fill_null(1), whole("day_of_birth").fill_null(1))
    born = pl.coalesce(moment("birth_datetime", rows.schema["birth_datetime"]), day.cast(pl.Datetime("us")))
    birth = rows.select(subject_id="person_id", time=born, kind=pl.lit("MEDS_BIRTH"), source=pl.lit("")).filter(
        pl.col("time").is_not_null()
    )
    facts = [
        rows.select(
            subject_id="person_id",
            time=pl.lit(None, pl.Datetime("us")),
            kind=pl.lit(kind),
            concept=whole(f"{stem}_concept_id"),
            source=text(f"{stem}_source_value"),
        ).filter((pl.col("concept").fill_null(0) != 0) | (pl.col("source") != ""))
        for kind, stem in kinds.items()
    ]
    return pl.concat([birth, *facts], how="diagonal_relaxed")


def _events(table: Table, domain: Domain, known: pl.Series, wanted: pl.Series, warnings: list[str]) -> pl.DataFrame:
    stems = [*domain.concepts.values(), *([domain.unit] if domain.unit else [])]
    columns = [
        "person_id",
        *(f"{time}{part}" for time in (domain.start, domain.end) if time for part in ("_date", "_datetime")),
        *(name for name in (domain.concept, domain.source, domain.number, domain.value_concept, domain.text) if name),
        *(f"{stem}_{part}" for stem in stems for part in ("concept_id", "source_value")),
        *domain.plain.values(),
    ]
    everyone = table.rows(["person_id"], "person_id")
    unknown = everyone.filter(~pl.col("person_id").is_in(known.implode()).fill_null(value=False))
    _report(table.path, unknown, everyone.height, "are of no person in the table person", warnings)
    rows = table.rows(columns, "person_id", wanted)

    def when(stem: str) -> pl.Expr:
        exact = moment(f"{stem}_datetime", rows.schema[f"{stem}_datetime"])
        return pl.coalesce(exact, day_end(moment(f"{stem}_date", rows.schema[f"{stem}_date"])))

    value = {"numeric_value": number(domain.number)} if domain.number else {}
    spoken = text(domain.text) if domain.text else pl.lit("")
    shown = rows.select(
        ROW,
        subject_id="person_id",
        time=when(domain.start),
        ended=when(domain.end) if domain.end else pl.lit(None, pl.Datetime("us")),
        kind=pl.lit(domain.kind),
        concept=whole(domain.concept) if domain.concept else pl.lit(None, pl.Int64),
        source=text(domain.source),
        # What the source wrote stands beside a number only where it says more, as ">9" does.
        text_value=pl.when(spoken.cast(pl.Float64, strict=False).is_null()).then(spoken).otherwise(pl.lit("")),
        value_concept=whole(domain.value_concept) if domain.value_concept else pl.lit(None, pl.Int64),
        **value,
        **{f"{name}_concept": whole(f"{stem}_concept_id") for name, stem in domain.concepts.items()},
        **{name: text(f"{stem}_source_value") for name, stem in domain.concepts.items()},
        **({"unit_concept": whole(f"{domain.unit}_concept_id")} if domain.unit else {}),
        **({"unit": text(f"{domain.unit}_source_value")} if domain.unit else {}),
        **{name: text(column) for name, column in domain.plain.items()},
    )
    _report(table.path, shown.filter(pl.col("time").is_null()), rows.height, "have no time that can be read", warnings)
    shown = shown.filter(pl.col("time").is_not_null())
    ends = shown.filter(pl.col("ended").dt.date() > pl.col("time").dt.date()).select(
        "subject_id", "concept", "source", time="ended", kind=pl.lit(f"{domain.kind} END")
    )
    return pl.concat([shown.drop("ended", ROW), ends], how="diagonal_relaxed")


def _report(path: Path, bad: pl.DataFrame, n: int, what: str, warnings: list[str]) -> None:
    if not bad.height:
        return
    said = f"OMOP: {path}: {bad.height} of {n} rows {what} (first: row {bad[ROW][0]})"
    if bad.height > MAX_UNUSABLE * n:
        raise UsageError(f"{said}; more than {MAX_UNUSABLE:.0%} may not be left out, so export the table again")
    warnings.append(f"{said}; they are left out")


def _concepts(path: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Name and code of every concept that occurs."""
    used = [rows[column].drop_nulls() for column in rows.columns if column == "concept" or column.endswith("_concept")]
    table = Table(path, ("concept_id", "concept_name", "vocabulary_id", "concept_code"))
    found = table.rows(
        ["concept_id", "concept_name", "vocabulary_id", "concept_code"], "concept_id", pl.concat(used, rechunk=True).unique()
    )
    if not found.height and any((one != 0).any() for one in used):
        raise UsageError(f"OMOP: {path} names none of the concepts that the tables use; export it with the data's vocabularies")
    return found.select(
        pl.col("concept_id").cast(pl.Int64),
        name=text("concept_name"),
        code=pl.concat_str(text("vocabulary_id"), text("concept_code"), separator="/"),
        short=text("concept_code"),
    ).unique("concept_id", keep="first", maintain_order=True)


def _named(rows: pl.DataFrame, concepts: pl.DataFrame, events: Events) -> Events:
    """Put names in the places of concepts, and say what each event's code means."""
    names = dict(concepts.select("concept_id", "name").iter_rows())
    units = dict(concepts.select("concept_id", "short").iter_rows())
    codes = dict(concepts.select("concept_id", "code").iter_rows())
    for column in ("unit", *MODIFIERS, "text_value"):
        concept = "value_concept" if column == "text_value" else f"{column}_concept"
        own = pl.col(column).fill_null("") if column in rows.columns else pl.lit("")
        if concept not in rows.columns:
            rows = rows.with_columns(own.alias(column))
            continue
        told = units if column == "unit" else names  # UCUM's code is what a unit is written as
        known = pl.col(concept).replace_strict(told, default="", return_dtype=pl.String).fill_null("")
        rows = rows.with_columns(
            pl.when((pl.col(concept).fill_null(0) != 0) & (known != "")).then(known).otherwise(own).alias(column)
        )
    rows = rows.with_columns(
        code=pl.when(pl.col("kind") == "MEDS_BIRTH")
        .then(pl.col("kind"))
        .otherwise(pl.format("{}//{}//{}", "kind", pl.col("concept").fill_null(0), "source"))
    )
    distinct = rows.select("code", "kind", "concept", "source").unique("code", maintain_order=True)
    meanings = {
        code: _meaning(kind, names.get(concept, ""), codes.get(concept, ""), source)
        for code, kind, concept, source in distinct.iter_rows()
    }
    events.meanings = meanings
    events.told = told_of(rows, meanings)
    events.warnings += events.told.shortcomings("complete the table concept, or the concepts of the other tables")
    keep = ["subject_id", "time", "code", "numeric_value", "text_value", "unit", *MODIFIERS]
    events.rows = rows.select(keep)
    return events


def _meaning(kind: str, name: str, code: str, source: str) -> Meaning:
    """A concept by its name and code; what the source calls it, where there is no concept or it says something else."""
    name, source = one_line(name), one_line(source)
    if not name or code.startswith("None/"):
        return Meaning("BIRTH" if kind == "MEDS_BIRTH" else kind, source, "", described=False)
    beside = [code] if source in ("", name) or code.endswith(f"/{source}") else [code, source]
    return Meaning(kind, f"{name} [{', '.join(beside)}]", "", described=True)
