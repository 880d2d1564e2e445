"""EHR-Bench as patients' files and index tables: windows of events, serialised here (protocol page, section 2, release a).

A patient's file is read once for all of a task's rows about the patient, when the task is opened; the texts are kept as long as
they fit and made again when they do not.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_file
from ehrbench.jsonl import parse
from ehrbench.readers.dataset import Dataset
from ehrbench.records.ehr_r1 import markdown_record, split_patient_block
from ehrbench.records.record import Record
from ehrbench.suites.ehr_bench.candidates import Candidates
from ehrbench.suites.ehr_bench.index import Entry, Index, read_entries, with_files
from ehrbench.suites.ehr_bench.items import Row, items_of, warnings_of
from ehrbench.suites.ehr_bench.options import Options

if TYPE_CHECKING:
    from ehrbench.suites.ehr_bench.build.index_mapping import IndexMapping
    from ehrbench.suites.ehr_bench.build.profile import BuildProfile

HELD_CHARACTERS = 32_000_000
"""Of contexts that are kept; a task of 500 rows has about half as many."""


def read_parquet(index: Index, options: Options) -> Dataset:
    """Open one task; options as ``ehr_bench.read``'s.

    Raises:
        MissingError: the task has no rows, or a patient's file is not there.
        UsageError: a row is malformed or points outside its patient's events (file and line).
    """
    from ehrbench.suites.ehr_bench.build.index_mapping import IndexMapping
    from ehrbench.suites.ehr_bench.build.profile import PROFILES
    from ehrbench.suites.ehr_bench.build.rows import instruction

    task = options.task
    entries = list(read_entries(index.path, task))
    if not entries:
        raise MissingError(f"{index.path} has no row of task '{task}'")
    entries, left_out = with_files(index, entries, options.allow_missing)
    manifest = _manifest(index.root)
    profile = PROFILES.get(str((manifest.get("options") or {}).get("profile")), PROFILES["ref"])
    subjects = {entry.sample.subject for entry in entries}
    names = IndexMapping(index.root, subjects, text_codes=options.codes == "text" or profile.text_codes)
    texts = Contexts(index, entries, names, profile)
    candidates = Candidates(index.root, task, options.candidates, options.is_risk)
    blocks = texts.patient_blocks()
    rows = [
        Row(
            entry.item,
            instruction(task),
            blocks[entry.item],
            entry.labels,
            candidates.of(entry.sample.subject, entry.item, entry.labels),
            entry.plain,
            str(entry.sample.subject),
        )
        for entry in entries
    ]

    def load(record_id: str) -> Record:
        text = texts.text(record_id)
        return markdown_record(record_id, split_patient_block(text)[1] if options.patient_apart else text)

    files = [index.path, *candidates.files, *names.files, *sorted(map(texts.file, subjects))]
    return Dataset(
        root=index.root,
        items=items_of(rows, options),
        files=files,
        load_record=load,
        open_data=_is_open(manifest, index.root, files),
        warnings=[*left_out, *warnings_of(rows), *_unnamed(names.absent, manifest, index.root), *candidates.warnings()],
    )


class Contexts:
    """The serialised contexts of a task's rows, made a patient at a time."""

    def __init__(
        self,
        index: Index,
        entries: Sequence[Entry],
        names: IndexMapping,
        profile: BuildProfile,
        held: int = HELD_CHARACTERS,
    ) -> None:
        """Read nothing yet.

        Args:
            index: where the release lies.
            entries: the task's rows.
            names: what codes are called.
            profile: how the release was built.
            held: the most characters of contexts that are kept.
        """
        self._index, self._names, self._profile, self._most = index, names, profile, held
        self._by_subject: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._by_subject[entry.sample.subject].append(entry)
        self._subject = {entry.item: entry.sample.subject for entry in entries}
        self._held: OrderedDict[int, dict[str, str]] = OrderedDict()
        self._size = 0

    def file(self, subject: int) -> Path:
        """The file of a patient."""
        from ehrbench.suites.ehr_bench.build.patient_file import FOLDER

        return self._index.root / FOLDER / f"{subject}.parquet"

    def patient_blocks(self) -> dict[str, str]:
        """Each row's patient block; every patient is read, so that what is wrong with a row is said before any is asked."""
        blocks = {}
        for subject in self._by_subject:
            for item, text in self._of(subject).items():
                blocks[item] = split_patient_block(text)[0]
        return blocks

    def text(self, item: str) -> str:
        """The context of one row."""
        return self._of(self._subject[item])[item]

    def _of(self, subject: int) -> Mapping[str, str]:
        if subject in self._held:
            self._held.move_to_end(subject)
            return self._held[subject]
        found = self._read(subject)
        self._held[subject] = found
        self._size += _size(found)
        while self._size > self._most and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            self._size -= _size(oldest)
        return found

    def _read(self, subject: int) -> dict[str, str]:
        from ehrbench.suites.ehr_bench.build.markdown import context_text
        from ehrbench.suites.ehr_bench.build.patient_file import PatientFile

        entries = self._by_subject[subject]
        file = PatientFile(self.file(subject))
        wanted = {0}
        for entry in entries:
            sample = entry.sample
            if not (0 <= sample.begin < sample.end <= len(file)):
                raise UsageError(
                    f"{entry.place}: the window [{sample.begin}, {sample.end}) "
                    f"is not within the {len(file)} events of {file.path.name}"
                )
            for name, header in (("admissions_id", sample.admission), ("last_discharge_id", sample.discharge)):
                if header is not None and header >= len(file):
                    raise UsageError(f"{entry.place}: {name} {header} is not among the {len(file)} events of {file.path.name}")
                wanted |= {header} if header is not None else set()
            wanted.update(range(sample.begin, sample.end))
        patient = file.patient(subject, wanted, self._names)
        return {entry.item: context_text(patient, entry.sample, self._profile) for entry in entries}


def _size(texts: Mapping[str, str]) -> int:
    return sum(map(len, texts.values()))


def _unnamed(absent: Mapping[Path, int], manifest: Mapping[str, Any], root: Path) -> list[str]:
    """What is said of files of names that are not there, unless the folder was built without them."""
    built = manifest.get("files")
    files = [path.relative_to(root).as_posix() for path in absent]
    lost = {file: n for file, n in zip(files, absent.values(), strict=True) if built is None or file in built}
    if not lost:
        return []
    return [
        f"{sum(lost.values()):,} rows of events show None where the release may have a name, for {', '.join(lost)} "
        f"{'is' if len(lost) == 1 else 'are'} not in {root}"
    ]


def _manifest(root: Path) -> Mapping[str, Any]:
    """What ``ehrbench data prepare`` says of a folder that it built; nothing for a release."""
    try:
        manifest = parse((root / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(manifest, dict) and manifest.get("format") == "ehrbench ehr_bench"
    return manifest if ours else {}


def _is_open(manifest: Mapping[str, Any], root: Path, files: Sequence[Path]) -> bool:
    """Whether these very files were built from the open demo: the manifest has the hash of each."""
    built = manifest.get("files")
    if manifest.get("open_data") is not True or not isinstance(built, dict):
        return False
    return all(built.get(path.relative_to(root).as_posix()) == hash_file(path) for path in files)
