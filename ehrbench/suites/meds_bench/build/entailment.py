"""MedNLI's test pairs, as a question about them and as a sentence to be written."""

from __future__ import annotations

from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse
from ehrbench.suites.meds_bench.build.release import Instance

DISCRIMINATIVE = "NLI/task41_test_mednli_textual_entailment_discrimitive.json"
GENERATIVE = "NLI/task42_test_mednli_textual_entailment_generative.json"
DISCRIMINATIVE_DEFINITION = (
    "Given two sentences, say how the second relates to the first. Answer with Entailment, Contradiction or Neutral."
)
GENERATIVE_DEFINITION = "Given a sentence from a clinical note, write a sentence that follows from it."
LABELS = ("entailment", "contradiction", "neutral")
TEST_FILE = "mli_test_v1.jsonl"


def read_pairs(source: Path) -> tuple[list[Instance], list[Instance]]:
    """The discriminative and the generative instances of each pair, in the file's order; pairs on one premise are a group.

    The generative ones keep their pair's label: the release's references seem to hold contradictions, too, and the clean protocol
    takes the entailments only.

    Raises:
        MissingError: ``mli_test_v1.jsonl`` is not there.
        UsageError: a line is not a pair of MedNLI; the message names file and line.
    """
    path = source / TEST_FILE if source.is_dir() else source
    if not path.is_file():
        raise MissingError(f"{path} is not there; expected {TEST_FILE} of MedNLI")
    asked: list[Instance] = []
    written: list[Instance] = []
    premises: dict[str, int] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = parse(line)
                premise, hypothesis, label = (row[key] for key in ("sentence1", "sentence2", "gold_label"))
            except (ValueError, KeyError, TypeError):
                raise UsageError(f"{path}:{number}: expected an object with sentence1, sentence2 and gold_label") from None
            if label not in LABELS or not all(isinstance(text, str) and text.strip() for text in (premise, hypothesis)):
                raise UsageError(f"{path}:{number}: expected two sentences and one of the labels {', '.join(LABELS)}")
            group = f"premise {premises.setdefault(premise, len(premises))}"
            asked.append(Instance(f"Sentence1: {premise}\n\nSentence2: {hypothesis}", label.capitalize(), group=group))
            written.append(Instance(premise.capitalize(), f"{hypothesis}.", group=group, label=label))
    if not asked:
        raise UsageError(f"{path}: no pairs")
    return asked, written
