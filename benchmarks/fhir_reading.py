"""Read FHIR Observations as the reader does, as plain JSON, through polars, as models of ``fhir.resources``: CPU time of each.

python benchmarks/fhir_reading.py --observations 50000

``fhir.resources`` is left out where it is not installed (it is no dependency: ``pip install fhir.resources``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from ehrbench.readers.fhir.events import read_events

PATIENTS = 50


def write(root: Path, n: int) -> Path:
    """An export with ``n`` laboratory results, as a server writes them."""
    with (root / "Patient.ndjson").open("w") as file:
        for k in range(PATIENTS):
            file.write(
                json.dumps({"resourceType": "Patient", "id": f"p{k}", "birthDate": "1950-03-01", "gender": "female"}) + "\n"
            )
    path = root / "Observation.ndjson"
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    with path.open("w") as file:
        for k in range(n):
            quantity = {"value": 1.7 + k % 10, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
            resource = {
                "resourceType": "Observation",
                "id": f"o{k}",
                "meta": {"versionId": "1", "lastUpdated": "2020-05-01T10:30:00.000+00:00"},
                "status": "final",
                "category": [{"coding": [{"system": system, "code": "laboratory", "display": "Laboratory"}]}],
                "code": {
                    "coding": [{"system": "http://loinc.org", "code": "2160-0", "display": "Creatinine"}],
                    "text": "Creatinine",
                },
                "subject": {"reference": f"Patient/p{k % PATIENTS}"},
                "effectiveDateTime": f"2020-05-{1 + k % 28:02}T10:30:00+02:00",
                "valueQuantity": quantity,
                "referenceRange": [{"low": quantity | {"value": 0.5}, "high": quantity | {"value": 1.2}}],
            }
            file.write(json.dumps(resource) + "\n")
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observations", type=int, default=50_000)
    n = parser.parse_args().observations
    with tempfile.TemporaryDirectory() as scratch:
        path = write(Path(scratch), n)
        ways: dict[str, Callable[[], object]] = {
            "events by the reader": lambda: read_events(path.parent, [f"p{k}" for k in range(PATIENTS)]),
            "json alone": lambda: sum(len(json.loads(line)) for line in path.open()),
            "polars alone": lambda: pl.read_ndjson(path),
        }
        if find_spec("fhir"):
            from fhir.resources.R4B.observation import Observation

            ways["fhir.resources, models alone"] = lambda: sum(
                Observation.model_validate_json(line) is not None for line in path.open()
            )
        for name, way in ways.items():
            took = min(_cpu(way) for _ in range(3))
            print(f"{name}: {took:.2f} CPU s, {took / n * 1e6:.0f} µs per resource")


def _cpu(way: Callable[[], object]) -> float:
    began = time.process_time()
    way()
    return time.process_time() - began


if __name__ == "__main__":
    main()
