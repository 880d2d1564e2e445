"""What an FHIR R4 resource says, as events: kind, name, value, unit, modifiers and times as they are written."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

Resource = Mapping[str, Any]
MODIFIERS = (
    "route",
    "frequency",
    "comparator",
    "range",
    "interpretation",
    "body_site",
    "disposition",
    "instructions",
    "note",
    "status",
)
"""What an event's line ends with, ``unit`` aside."""
_SYSTEMS = {
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD9CM",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://www.ama-assn.org/go/cpt": "CPT4",
}
_CATEGORIES = {"laboratory": "LABORATORY", "vital-signs": "VITAL SIGNS"}
_USUAL = ("final", "finished", "completed", "active", "current", "confirmed", "resolved")
"""States that say nothing more of what is shown."""
ERROR = "entered-in-error"


class UnreadableAttachment(ValueError):
    """Of a document; says what is wrong with it."""


@dataclass
class Event:
    """One event of a patient."""

    kind: str
    name: str
    described: bool = True
    """Whether a person can read the name."""
    time: str | None = None
    """As written, a day or less precise or a time with or without a zone; None: at any time."""
    ended: str | None = None
    number: float | None = None
    text: str = ""
    unit: str = ""
    modifiers: dict[str, str] = field(default_factory=dict)
    at_end: dict[str, str] = field(default_factory=dict)
    """Modifiers of the end."""


def reference(value: Any) -> str | None:
    """The id that a reference names: relative, absolute or ``urn:uuid:``; None for none."""
    told = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(told, str) or not told:
        return None
    return told.split("/_history/")[0].rpartition("/")[2].removeprefix("urn:uuid:").removeprefix("#") or None


def concept(value: Any) -> tuple[str, bool]:
    """A CodeableConcept or Coding as a name with its codes in brackets, and whether it has a name."""
    if not value:
        return "", False
    codings = value.get("coding", []) if "coding" in value or "text" in value else [value]
    text = value.get("text") or next((coding["display"] for coding in codings if coding.get("display")), "")
    codes = [f"{_vocabulary(coding.get('system', ''))}{coding['code']}" for coding in codings if coding.get("code")]
    beside = ", ".join(dict.fromkeys(code for code in codes if code != text))
    text = _line(text)
    return (f"{text} [{beside}]" if text and beside else text or beside), bool(text)


def _vocabulary(system: str) -> str:
    name = _SYSTEMS.get(system) or system.rstrip("/").rpartition("/")[2]
    return f"{name}/" if name else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _name(value: Any) -> str:
    """A modifier's concept without its codes, where it has a name."""
    name, described = concept(value)
    return name.partition(" [")[0] if described else name


def patient(resource: Resource) -> Iterator[Event]:
    """Who the patient is; birth and death."""
    if resource.get("birthDate"):
        yield Event("MEDS_BIRTH", "", time=resource["birthDate"])
    facts = {"GENDER": resource.get("gender", "")}
    for extension in resource.get("extension", []):
        stem = extension.get("url", "").rpartition("/")[2]
        if stem in ("us-core-race", "us-core-ethnicity"):
            parts = extension.get("extension", [])
            said = [part.get("valueString") or part.get("valueCoding", {}).get("display") for part in parts]
            facts[stem.removeprefix("us-core-").upper()] = next(filter(None, reversed(said)), "")
    for kind, fact in facts.items():
        if fact:
            yield Event(kind, _line(fact))
    if resource.get("deceasedDateTime"):
        yield Event("DEATH", "", time=resource["deceasedDateTime"])


def encounter(resource: Resource) -> Iterator[Event]:
    """A visit and its end."""
    period = resource.get("period", {})
    kind = next(iter(resource.get("type", [])), None) or resource.get("class")
    left = _name(resource.get("hospitalization", {}).get("dischargeDisposition"))
    name, described = concept(kind)
    yield Event(
        "VISIT", name, described, period.get("start"), period.get("end"), modifiers=_state(resource), at_end={"disposition": left}
    )


def condition(resource: Resource) -> Iterator[Event]:
    """A diagnosis; without a time of its own the caller gives it that of its encounter."""
    onset = resource.get("onsetDateTime") or resource.get("onsetPeriod", {}).get("start") or resource.get("recordedDate")
    ended = resource.get("abatementDateTime") or resource.get("abatementPeriod", {}).get("end")
    verified = _first_code(resource.get("verificationStatus"))
    state = " ".join(code for code in (verified, _first_code(resource.get("clinicalStatus"))) if code not in ("", *_USUAL))
    name, described = concept(resource.get("code"))
    yield Event("CONDITION", name, described, onset, ended, modifiers={"status": state})


def _first_code(value: Any) -> str:
    return next((str(coding.get("code", "")) for coding in (value or {}).get("coding", [])), "")


def observation(resource: Resource) -> Iterator[Event]:
    """A finding, and each of its components."""
    time = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    time = time or resource.get("effectivePeriod", {}).get("start") or resource.get("issued")
    codes = [coding.get("code") for category in resource.get("category", []) for coding in category.get("coding", [])]
    kind = next((_CATEGORIES[code] for code in codes if code in _CATEGORIES), "OBSERVATION")
    components = resource.get("component", [])
    has_value = any(key.startswith("value") for key in resource)
    for part in (*([resource] if has_value or not components else []), *components):
        name, described = concept(part.get("code"))
        event = Event(kind, name, described, time, modifiers=_state(resource))
        _value(part, event)
        event.modifiers |= {
            "range": "; ".join(filter(None, map(_range, part.get("referenceRange", [])))),
            "interpretation": ", ".join(filter(None, map(_name, part.get("interpretation", [])))),
            "note": _line(" ".join(note.get("text", "") for note in part.get("note", []))),
        }
        yield event


def _value(part: Resource, event: Event) -> None:
    """Put a value of whatever type into an event."""
    quantity = part.get("valueQuantity")
    if quantity is not None:
        _quantity(quantity, event)
    elif "valueInteger" in part:
        event.number = float(part["valueInteger"])
    elif "valueBoolean" in part:
        event.text = "yes" if part["valueBoolean"] else "no"
    elif "valueCodeableConcept" in part:
        event.text = _name(part["valueCodeableConcept"])
    elif "valueRange" in part:
        event.text = _range(part["valueRange"])
    elif "valueRatio" in part:
        ratio = part["valueRatio"]
        event.text = " : ".join(_amount(ratio.get(end, {})) for end in ("numerator", "denominator"))
    elif "valuePeriod" in part:
        event.text = " to ".join(filter(None, (part["valuePeriod"].get(end) for end in ("start", "end"))))
    else:
        event.text = next((part[f"value{kind}"] for kind in ("String", "DateTime", "Time") if f"value{kind}" in part), "")
    if "dataAbsentReason" in part:
        event.text = event.text or _name(part["dataAbsentReason"])


def _quantity(quantity: Resource, event: Event) -> None:
    event.number = float(quantity["value"]) if "value" in quantity else None
    event.unit = _unit(quantity)
    if quantity.get("comparator"):
        event.modifiers["comparator"] = quantity["comparator"]


def _unit(quantity: Resource) -> str:
    return _line(str(quantity.get("unit") or quantity.get("code") or ""))


def _amount(quantity: Resource) -> str:
    return " ".join(filter(None, (f"{quantity['value']:g}" if "value" in quantity else "", _unit(quantity))))


def _range(value: Resource) -> str:
    ends = [_amount(value[end]) if end in value else "" for end in ("low", "high")]
    return _line(value.get("text") or (" to ".join(ends) if all(ends) else f"from {ends[0]}" if ends[0] else f"up to {ends[1]}"))


def medication_request(resource: Resource, medications: Mapping[str, Any]) -> Iterator[Event]:
    """An order with its first dose, route and frequency, and the end of the time for which it is valid."""
    drug = resource.get("medicationCodeableConcept")
    if drug is None:
        drug = medications.get(reference(resource.get("medicationReference")) or "")
    name, described = concept(drug)
    valid = resource.get("dispenseRequest", {}).get("validityPeriod", {})
    time = resource.get("authoredOn") or valid.get("start")
    event = Event("MEDICATION", name, described, time, valid.get("end"), modifiers=_state(resource))
    dosages = resource.get("dosageInstruction", [])
    first = dosages[0] if dosages else {}
    for dose in first.get("doseAndRate", [])[:1]:
        if "doseQuantity" in dose:
            _quantity(dose["doseQuantity"], event)
        elif "doseRange" in dose:
            event.text = _range(dose["doseRange"])
    event.modifiers |= {
        "route": _name(first.get("route")),
        "frequency": _timing(first.get("timing", {})),
        "instructions": _line(" ".join(dosage.get("text", "") for dosage in dosages)),
    }
    yield event


def _timing(timing: Resource) -> str:
    if timing.get("code"):
        return _name(timing["code"])
    repeat = timing.get("repeat", {})
    if "frequency" not in repeat and "period" not in repeat:
        return ""
    return f"{repeat.get('frequency', 1)} per {repeat.get('period', 1):g} {repeat.get('periodUnit', '')}".strip()


def procedure(resource: Resource) -> Iterator[Event]:
    """A procedure and its end."""
    period = resource.get("performedPeriod", {})
    name, described = concept(resource.get("code"))
    sites = ", ".join(filter(None, map(_name, resource.get("bodySite", []))))
    time = resource.get("performedDateTime") or period.get("start")
    yield Event("PROCEDURE", name, described, time, period.get("end"), modifiers={"body_site": sites, **_state(resource)})


def document(resource: Resource) -> Iterator[Event]:
    """A document's texts; one without any is an event without a text.

    Raises:
        UnreadableAttachment: it is not base64, or not in the encoding that it names.
    """
    time = resource.get("date") or resource.get("context", {}).get("period", {}).get("start")
    name, described = concept(resource.get("type"))
    if not name:
        name, described = _line(resource.get("description", "")), bool(resource.get("description"))
    texts = []
    for content in resource.get("content", []):
        attachment = content.get("attachment", {})
        told = Message()
        told["content-type"] = attachment.get("contentType", "text/plain")
        if attachment.get("data") and told.get_content_maintype() == "text":
            try:
                texts.append(base64.b64decode(attachment["data"], validate=True).decode(told.get_content_charset("utf-8")))
            except (binascii.Error, LookupError, UnicodeDecodeError):
                raise UnreadableAttachment("an attachment that is not base64, or not in the encoding that it names") from None
    yield Event("NOTE", name, described, time, text="\n\n".join(texts), modifiers=_state(resource))


def _state(resource: Resource) -> dict[str, str]:
    state = str(resource.get("status", ""))
    return {} if state in ("", *_USUAL) else {"status": state}


def is_error(resource: Resource) -> bool:
    """Whether somebody has said that the resource should not be."""
    return ERROR in (resource.get("status"), _first_code(resource.get("verificationStatus")), resource.get("docStatus"))


PLAIN: Mapping[str, Callable[[Resource], Iterator[Event]]] = {
    "Encounter": encounter,
    "Condition": condition,
    "Observation": observation,
    "Procedure": procedure,
    "DocumentReference": document,
}
"""Types that need nothing but themselves."""
READ = ("Patient", "Medication", "MedicationRequest", *PLAIN)
"""Every type that is read."""
