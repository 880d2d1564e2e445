"""Tasks as Croissant metadata (http://mlcommons.org/croissant/1.0): what a data set is, who made it, and who may use it how."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ehrbench.hashing import hash_file
from ehrbench.leaderboard.names import Names
from ehrbench.tasks.schema import TaskSpec

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "md5": "cr:md5",
}
_ADDRESS = re.compile(r"https?://[^\s<>()]+[^\s<>().,;]")
_FORMATS = {
    ".jsonl": "application/jsonlines",
    ".json": "application/json",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
}


def files(tasks: Sequence[TaskSpec], names: Names, data: Mapping[str, Sequence[Path]] | None = None) -> Mapping[str, bytes]:
    """``<task>.json`` each: no item, no record, no path of this machine.

    Args:
        tasks: each once.
        names: what is known of their suites.
        data: files of tasks' data, by the task, whose names and SHA-256 are told; those of credentialed tasks never are.
    """
    made = {}
    for task in tasks:
        shown = (data or {}).get(task.task, ()) if task.data.policy == "open" else ()
        text = json.dumps(_metadata(task, names, shown), indent=2, ensure_ascii=False) + "\n"
        made[f"{task.task}.json"] = text.encode()
    return made


def _metadata(task: TaskSpec, names: Names, data: Sequence[Path]) -> dict[str, Any]:
    suite = task.task.partition(".")[0]
    info = names.suite(suite)
    address = next(iter(_ADDRESS.findall(task.data.source)), f"urn:ehrbench:task:{task.task}")  # the format asks for one
    licence = info.licence or "as its source says"
    access = info.access
    credentialed = task.data.policy == "credentialed"
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": task.task,
        "description": task.description or task.title,
        "url": address,
        "license": licence,
        "version": f"{task.version}.0.0",
        "inLanguage": task.language,
        "keywords": ["electronic health records", "evaluation of language models", suite, f"metric {task.primary}"],
        **({"citeAs": task.cite_data or task.cite} if task.cite_data or task.cite else {}),
        **({"conditionsOfAccess": access} if access else {}),
        "isAccessibleForFree": not credentialed,
        "rai:dataUseCases": f"Evaluating language models as the task '{task.task}' of ehrbench, version {task.version}.",
        "rai:personalSensitiveInformation": (
            "Health records of people, for those who have signed the data use agreement."
            if credentialed
            else "Texts that anybody may read."
        ),
        **({"rai:dataLimitations": list(task.caveats)} if task.caveats else {}),
        "distribution": [_file(path) for path in data],
    }


def _file(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _FORMATS.get(path.suffix, "application/octet-stream"),
        "sha256": hash_file(path),
    }
