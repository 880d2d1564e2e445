"""The part of the sample that is written out: ``instances.yaml``, by folder and file."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def written_files() -> dict[str, dict[str, Any]]:
    """Place of each file to its definition, language and instances."""
    import yaml

    text = files(__package__).joinpath("instances.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(text)
    found: dict[str, dict[str, Any]] = {}
    for folder, by_file in loaded.items():
        for file, content in by_file.items():
            found[f"{folder}/{file}"] = {
                **content,
                "instances": [{"input": pair[0], "output": pair[1]} for pair in content["instances"]],
            }
    return found
