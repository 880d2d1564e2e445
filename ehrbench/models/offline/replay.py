"""``replay:FILE``: answers that were made elsewhere, looked up by the item's id.

JSONL or CSV (tab-separated where the name ends in ``.tsv``) with a column of ids (``item``, ``id`` or ``instruction_id``), one of
answers (``answer``, ``output`` or ``model_response``), and optionally ``system`` or ``model_name`` (chosen with ``--model-arg
system=NAME``) and ``probability`` (a JSON object from choice to probability, or the probability of the first choice of two).
"""

from __future__ import annotations

import csv
import json
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_file
from ehrbench.jsonl import parse
from ehrbench.models.arguments import Arguments
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, ModelIdentity, Request, Response, Tokenizer
from ehrbench.text_files import csv_rows, is_utf16, not_utf8

ID_COLUMNS = ("item", "id", "instruction_id")
ANSWER_COLUMNS = ("answer", "output", "model_response")
SYSTEM_COLUMNS = ("system", "model_name")
PROBABILITY_COLUMNS = ("probability", "probabilities")

_log = logging.getLogger(__name__)


class Made(NamedTuple):
    """One answer of the file."""

    answer: str
    probability: Mapping[str, float] | float | None


class Replay:
    """Answers from a file, given as a model gives them."""

    endpoint: str | None = None
    is_remote = False
    context_length: int | None = None
    tokenizer: Tokenizer | None = None
    thinks = False
    streaming = True

    def __init__(self, path: Path, system: str | None, made: Mapping[str, Made]) -> None:
        """Hold the answers of one system."""
        self.identity = ModelIdentity(name=system or path.stem, backend="replay", revision=hash_file(path)[:16])
        self._path = path
        self._made = made
        self._asked: set[str] = set()

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The contents joined by a newline."""
        return "\n".join(message.content for message in messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Look each item up; one that is not there ends in ``error``."""
        for request in requests:
            made = self._look_up(request.item or request.id)
            if made is None:
                yield Response(request.id, finish="error", error="not in the file")
            else:
                yield Response(request.id, made.answer)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Look each item's probabilities up.

        Raises:
            NoProbabilitiesError: no row of the file has a probability.
        """
        if all(made.probability is None for made in self._made.values()):
            raise NoProbabilitiesError(
                f"{self._path} has no column 'probability', which this task needs: add one, or choose another task"
            )
        return (self._choice(request) for request in requests)

    def close(self) -> None:
        """Say once how many answers were never asked for."""
        extra = len(self._made.keys() - self._asked)
        if extra and self._asked:
            _log.warning("%s: %d of %d answers belong to no item that was run", self._path, extra, len(self._made))
        self._asked = set()

    def _look_up(self, item: str) -> Made | None:
        self._asked.add(item)
        return self._made.get(item)

    def _choice(self, request: ChoiceRequest) -> ChoiceResponse:
        made = self._look_up(request.item or request.id)
        if made is None or made.probability is None:
            return ChoiceResponse(request.id, finish="error", error="not in the file")
        given = made.probability
        if isinstance(given, Mapping):
            masses = [sum(given.get(spelling, 0.0) for spelling in spellings) for spellings in request.choices]
        elif len(request.choices) == 2:
            masses = [given, 1 - given]
        else:
            return ChoiceResponse(request.id, finish="error", error="one probability for more than two choices")
        total = math.fsum(masses)
        if not total > 0:
            return ChoiceResponse(request.id, finish="error", error="no probability of a choice in the file")
        return ChoiceResponse(request.id, tuple(mass / total for mass in masses), mass=total)


def load(name: str, args: Mapping[str, str], max_model_len: int | None) -> Replay:
    """Read a file of answers; ``max_model_len`` is taken and not needed.

    Raises:
        MissingError: no such file.
        UsageError: the file has no such columns, two answers for one item, or several systems of which none was chosen.
    """
    arguments = Arguments("replay", args, {"system": "whose answers, where the file holds several systems'"})
    path = Path(name).expanduser()
    if not path.is_file():
        raise MissingError(f"replay:{name}: there is no such file; expected a JSONL or CSV file of answers")
    system = arguments.text("system")
    return Replay(path, system, read_answers(path, system))


def read_answers(path: Path, system: str | None) -> dict[str, Made]:
    """The answers of one system by item id.

    Raises:
        UsageError: see ``load``; the message names the line.
    """
    made: dict[str, Made] = {}
    systems: set[str] = set()
    for line, row in _rows(path):
        item = _value(path, line, row, ID_COLUMNS, "id")
        answer = _value(path, line, row, ANSWER_COLUMNS, "answer")
        whose = next((str(row[column]) for column in SYSTEM_COLUMNS if row.get(column) is not None), None)
        if whose is not None:
            systems.add(whose)
        if system is not None and whose != system:
            continue
        probability = next((row[column] for column in PROBABILITY_COLUMNS if row.get(column) not in (None, "")), None)
        entry = Made(answer, _probability(path, line, probability))
        if made.setdefault(item, entry) != entry:
            if system is None and len(systems) > 1:
                break
            raise UsageError(f"{path}:{line}: a second, different answer for item {item}; expected one per item")
    if system is None and len(systems) > 1:
        raise UsageError(f"{path} holds answers of several systems: choose one with --model-arg system=NAME ({_few(systems)})")
    if system is not None and system not in systems:
        raise UsageError(f"{path}: {unknown_name('system', system, systems)}")
    if not made:
        raise UsageError(f"{path} holds no answers; expected one row per item")
    return made


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows with their line numbers."""
    with path.open("rb") as start:
        if is_utf16(head := start.read(4096)):
            raise UsageError(f"{path} {not_utf8(head)}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                csv.field_size_limit(sys.maxsize)
                reader = csv_rows(file, strict=True)
                for row in reader:
                    if None in row or None in row.values():
                        raise UsageError(f"{path}:{reader.line_num}: expected {len(reader.fieldnames or ())} fields in this row")
                    yield reader.line_num, row
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    row = parse(line)
                    if not isinstance(row, dict):
                        raise UsageError(f"{path}:{number}: expected a JSON object with an id and an answer")
                    yield number, row
    except json.JSONDecodeError:
        raise UsageError(f"{path}:{number}: not JSON; expected one object per line (or a name ending in .csv)") from None
    except csv.Error:
        raise UsageError(f"{path}:{reader.line_num + 1}: not readable as CSV; check the quotes of this row") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} {not_utf8(head)}") from None


def _value(path: Path, line: int, row: Mapping[str, Any], columns: Sequence[str], what: str) -> str:
    for column in columns:
        if row.get(column) is not None:
            return str(row[column])
    raise UsageError(f"{path}:{line}: no column with the {what}: expected {' or '.join(columns)}, found {_few(row)}")


def _probability(path: Path, line: int, given: Any) -> Mapping[str, float] | float | None:
    if given is None:
        return None
    try:
        data = parse(given) if isinstance(given, str) else given
        numbers = {str(name): float(p) for name, p in data.items()} if isinstance(data, dict) else {"": float(data)}
    except (ValueError, TypeError, AttributeError, OverflowError):
        numbers = {"": math.nan}
    if not all(0 <= p <= 1 for p in numbers.values()):
        raise UsageError(f"{path}:{line}: expected a probability from 0 to 1, or a JSON object from choice to probability")
    return numbers if isinstance(data, dict) else numbers[""]


def _few(names: Iterable[str]) -> str:
    listed = sorted(map(str, names))
    return ", ".join(listed[:8]) + (" …" if len(listed) > 8 else "")
