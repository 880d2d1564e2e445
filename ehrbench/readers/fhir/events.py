"""The events of some patients of a bulk export, and what of it cannot be used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from ehrbench.errors import UsageError
from ehrbench.readers.events import MAX_UNUSABLE, Events, told_of
from ehrbench.readers.fhir.bulk import BulkFile, need_files
from ehrbench.readers.fhir.resources import (
    MODIFIERS,
    PLAIN,
    READ,
    Event,
    UnreadableAttachment,
    is_error,
    medication_request,
    patient,
    reference,
)
from ehrbench.readers.meds.codes import Meaning
from ehrbench.readers.times import day_end, moment

_SCHEMA = {
    "subject_id": pl.Int64,
    "time": pl.String,
    "code": pl.String,
    "numeric_value": pl.Float64,
    "text_value": pl.String,
    "unit": pl.String,
    **dict.fromkeys(MODIFIERS, pl.String),
    "place": pl.String,
}


def known_patients(root: Path) -> Mapping[str, int]:
    """Everybody in the export, with a number for each.

    Raises:
        MissingError: there are no patients.
        UsageError: a line is malformed, or two patients have one id.
    """
    known: dict[str, int] = {}
    for file in need_files(root):
        if file.kind != "Patient":
            continue
        for number, resource in file.resources():
            name = resource.get("id")
            if not isinstance(name, str) or not name or "@" in name:
                raise UsageError(f"FHIR: {file.path}:{number}: the Patient has no id")
            if name in known:
                raise UsageError(f"FHIR: {file.path}:{number}: the Patient is in an earlier line, too; expected one line each")
            known[name] = len(known)
    return known


@dataclass
class _Bad:
    """Resources of one file that cannot be used, by what they lack."""

    n: int = 0
    found: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What to how many, and the first line."""

    def add(self, what: str, line: int) -> None:
        n, first = self.found.get(what, (0, line))
        self.found[what] = n + 1, first


def read_events(root: Path, patients: Collection[str]) -> Events:
    """All events of some patients.

    Args:
        root: holds the export.
        patients: ids of those whose events are wanted.

    Raises:
        MissingError: there are no patients.
        UsageError: a line is malformed, or too many of a file's resources lead nowhere or have no time.
    """
    files = need_files(root)
    known = known_patients(root)
    wanted = set(patients)
    reading = _Reading(known, wanted)
    for kind in ("Patient", "Medication", "Encounter", *(k for k in READ if k not in ("Patient", "Medication", "Encounter"))):
        for file in files:
            if file.kind == kind:
                reading.read(file)
    others = sorted({file.kind for file in files} - set(READ))
    if others:
        reading.warnings.append(f"FHIR: {root}: resources of {', '.join(others)} are not read")
    rows = pl.DataFrame(reading.rows, schema=_SCHEMA, orient="row")
    time = pl.when(pl.col("code") == "MEDS_BIRTH").then(_born()).otherwise(_time())
    rows = rows.with_columns(time=time, written=pl.col("time")).sort("subject_id", maintain_order=True)
    lost = rows.filter(pl.col("time").is_null() & pl.col("written").is_not_null())
    if lost.height:
        raise UsageError(f"FHIR: {lost['place'][0]}: a time that is not one of FHIR's ({lost.height} such events)")
    told = told_of(rows, reading.meanings)
    warnings = [*reading.warnings, *told.shortcomings("export the resources with display texts")]
    used = [file.path for file in files if file.kind in READ]
    return Events(rows.drop("place", "written"), reading.meanings, told, used, warnings, ("unit", *MODIFIERS))


class _Reading:
    """What has been read of an export."""

    def __init__(self, known: Mapping[str, int], wanted: Collection[str]) -> None:
        self._known, self._wanted = known, wanted
        self._medications: dict[str, Any] = {}
        self._visits: dict[str, str | None] = {}
        """Encounters of the wanted patients to when they ended, or began."""
        self.rows: list[tuple[Any, ...]] = []
        self.meanings: dict[str, Meaning] = {}
        self.warnings: list[str] = []

    def read(self, file: BulkFile) -> None:
        """Take over one file."""
        bad, errors = _Bad(), 0
        for number, resource in file.resources():
            bad.n += 1
            place = f"{file.path}:{number}"
            try:
                if is_error(resource):
                    errors += 1
                else:
                    self._take(file.kind, resource, place, number, bad)
            except UnreadableAttachment as error:
                raise UsageError(f"FHIR: {place}: the {file.kind} has {error}; export the file again") from None
            except (AttributeError, KeyError, TypeError, ValueError):
                raise UsageError(
                    f"FHIR: {place}: the {file.kind} is not built as FHIR R4 has it; export the file again"
                ) from None
        for what, (n, first) in bad.found.items():
            said = f"FHIR: {file.path}: {n} of {bad.n} resources {what} (first: line {first})"
            if n > MAX_UNUSABLE * bad.n and "left out" in what:
                raise UsageError(f"{said}; more than {MAX_UNUSABLE:.0%} may not be left out, so export the file again")
            self.warnings.append(said)
        if errors:
            self.warnings.append(f"FHIR: {file.path}: {errors} resources are entered in error and left out")

    def _take(self, kind: str, resource: dict[str, Any], place: str, line: int, bad: _Bad) -> None:
        if kind == "Medication":
            self._medications[str(resource.get("id"))] = resource.get("code")
            return
        name = resource["id"] if kind == "Patient" else reference(resource.get("subject"))
        if name not in self._known:
            bad.add("are left out, as their reference to a patient leads nowhere", line)
        if name not in self._wanted:
            return
        visit = reference(resource.get("encounter")) or next(
            (reference(one) for one in (resource.get("context") or {}).get("encounter", []) if kind == "DocumentReference"), None
        )
        if visit is not None and visit not in self._visits and kind != "Encounter":
            bad.add("name an encounter that the patient does not have", line)
        events = list(self._events(kind, resource, line, bad))
        if kind == "Encounter":
            self._visits[str(resource.get("id"))] = events[0].ended or events[0].time
        for event in events:
            if kind != "Patient" and event.time is None:
                event.time = self._visits.get(visit or "")
            if kind != "Patient" and event.time is None:
                bad.add("are left out, as they have no time", line)
            elif kind == "Patient" or event.name:
                self._add(self._known[str(name)], event, place)
            else:
                bad.add("are left out, as nothing says what they are about", line)

    def _events(self, kind: str, resource: dict[str, Any], line: int, bad: _Bad) -> Iterable[Event]:
        if kind == "Patient":
            return patient(resource)
        if kind != "MedicationRequest":
            if kind == "DocumentReference" and any(
                not one.get("attachment", {}).get("data") or not one["attachment"].get("contentType", "text/").startswith("text/")
                for one in resource.get("content", [])
            ):
                bad.add("have an attachment whose text is not in the file, so it is not shown", line)
            return PLAIN[kind](resource)
        contained = {str(one.get("id")): one.get("code") for one in resource.get("contained", [])}
        drug = reference(resource.get("medicationReference"))
        if drug is not None and drug not in contained and drug not in self._medications:
            bad.add("are left out, as their reference to a medication leads nowhere", line)
            return ()
        return medication_request(resource, {**self._medications, **contained})

    def _add(self, subject: int, event: Event, place: str) -> None:
        kinds = [(event.kind, event.time, event.number, event.text, event.unit, event.modifiers)]
        if event.ended is not None and event.ended != event.time:
            kinds.append((f"{event.kind} END", event.ended, None, "", "", event.at_end))
        for kind, time, number, text, unit, modifiers in kinds:
            code = f"{kind}//{event.name}" if event.name else kind
            if code not in self.meanings:
                shown = "BIRTH" if kind == "MEDS_BIRTH" else kind
                self.meanings[code] = Meaning(shown, event.name, "", event.described)
            self.rows.append((subject, time, code, number, text, unit, *(modifiers.get(name, "") for name in MODIFIERS), place))


def _time() -> pl.Expr:
    """In UTC; a day, a month or a year without more counts to its end, as nobody knows what came before what within it."""
    written = pl.col("time").str.strip_chars()
    length = written.str.len_chars()
    last = pl.when(length == 4).then(written + "-12-31").when(length == 7).then(written + "-01").otherwise(written)
    day = last.str.to_date("%Y-%m-%d", strict=False)
    day = pl.when(length == 7).then(day.dt.month_end()).otherwise(day)
    return pl.when(length <= 10).then(day_end(day)).otherwise(moment("time", pl.String()))


def _born() -> pl.Expr:
    """Of a birth without month or day, the first."""
    written = pl.col("time").str.strip_chars()
    return (written + pl.lit("-01-01").str.slice(written.str.len_chars().cast(pl.Int64) - 4)).str.to_datetime(
        "%Y-%m-%d", strict=False, time_unit="us"
    )
