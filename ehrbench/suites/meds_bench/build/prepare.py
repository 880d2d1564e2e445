"""Build every file whose source was named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.suites.meds_bench.build import emergency, entailment, public, radiology
from ehrbench.suites.meds_bench.build.radiology import Rules
from ehrbench.suites.meds_bench.build.release import Instance, write_release_file
from ehrbench.suites.meds_bench.layout import PREPARED

N_SUMMARIES = 100
N_OUTCOMES = 1500


@dataclass(frozen=True)
class Sources:
    """The user's copies; None: not at hand."""

    radiology: Path | None = None
    """``radiology.csv.gz`` of MIMIC-IV-Note."""
    cxr: Path | None = None
    """Reports of MIMIC-CXR: the folder or the zip file."""
    ed: Path | None = None
    """``master_dataset.csv`` of nliulab/mimic4ed-benchmark."""
    mednli: Path | None = None
    """MedNLI's folder, or its ``mli_test_v1.jsonl``."""
    meqsum: Path | None = None
    """Workbook of MeQSum, or a table with the columns CHQ and Summary."""
    rct: Path | None = None
    """A table of abstracts and conclusions."""


class Built(NamedTuple):
    """One file that was written, or could not be for want of instances."""

    path: Path | None
    place: str
    n: int
    n_eligible: int
    """How many the source has."""
    wanted: int


def prepare(
    sources: Sources, out: Path, *, seed: int = 0, rules: Rules = "clean", say: Callable[[str], None] = lambda line: None
) -> list[Built]:
    """Build the named sources' files in the folder ``prepared`` below ``out``; the same sources and seed give the same bytes.

    The paper's sampled ids are not published, so every file holds another draw than the paper's, and the instructions are ours.

    Args:
        sources: at least one.
        out: the folder of MedS-Bench's files.
        seed: of the draws.
        rules: ``paper`` repeats the script's flaw of taking any "ct" for a CT.
        say: told what is being read.

    Raises:
        MissingError: a source is not there.
        UsageError: no source is named, or one is malformed.
    """
    if not any(getattr(sources, field.name) for field in fields(sources)):
        raise UsageError("name at least one source: --radiology, --cxr, --ed, --mednli, --meqsum or --rct")
    folder = out / PREPARED
    built: list[Built] = []

    def write(place: str, definition: str, instances: Sequence[Instance], n_eligible: int, wanted: int, source: str) -> None:
        path = write_release_file(folder, place, definition, instances, source) if instances else None
        built.append(Built(path, place, len(instances), n_eligible, wanted))

    if sources.radiology:
        say("reading MIMIC-IV-Note's radiology table, from end to end")
        for name, draw in radiology.read_notes(sources.radiology, N_SUMMARIES, seed, rules).items():
            write(radiology.FILES[name], radiology.DEFINITION, draw.result(), draw.seen, N_SUMMARIES, "MIMIC-IV-Note")
    if sources.cxr:
        say("reading MIMIC-CXR's reports")
        reports = radiology.read_reports(sources.cxr, N_SUMMARIES, seed)
        write(radiology.CXR_FILE, radiology.DEFINITION, reports.result(), reports.seen, N_SUMMARIES, "MIMIC-CXR")
    if sources.ed:
        say("reading the emergency stays")
        for name, stays in emergency.read_stays(sources.ed, N_OUTCOMES, seed).items():
            outcome = emergency.OUTCOMES[name]
            write(outcome.file, outcome.definition, stays, len(stays), N_OUTCOMES, "MIMIC4ED benchmark")
    if sources.mednli:
        say("reading MedNLI")
        asked, written = entailment.read_pairs(sources.mednli)
        write(entailment.DISCRIMINATIVE, entailment.DISCRIMINATIVE_DEFINITION, asked, len(asked), len(asked), "MedNLI")
        write(entailment.GENERATIVE, entailment.GENERATIVE_DEFINITION, written, len(written), len(written), "MedNLI")
    for source, columns, place, definition, name in (
        (sources.meqsum, public.MEQSUM_COLUMNS, public.MEQSUM_FILE, public.MEQSUM_DEFINITION, "MeQSum"),
        (sources.rct, public.RCT_COLUMNS, public.RCT_FILE, public.RCT_DEFINITION, "abstracts of trials"),
    ):
        if source:
            say(f"reading {name}")
            draw = public.read_pairs(source, columns, N_SUMMARIES, seed, name)
            write(place, definition, draw.result(), draw.seen, N_SUMMARIES, name)
    return built
