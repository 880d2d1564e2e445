"""ehrbench: evaluate language models on health records the way each benchmark's paper did.

The names below are the public face (docs/python-api.md); each is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from ehrbench import register as register
    from ehrbench.correlation.python import agreement as agreement
    from ehrbench.correlation.python import compare as compare
    from ehrbench.correlation.python import correlate as correlate
    from ehrbench.correlation.python import human_stats as human_stats
    from ehrbench.errors import EhrbenchError as EhrbenchError
    from ehrbench.errors import MissingError as MissingError
    from ehrbench.errors import PolicyError as PolicyError
    from ehrbench.errors import UsageError as UsageError
    from ehrbench.evaluation import SomeModelsFailed as SomeModelsFailed
    from ehrbench.evaluation import evaluate as evaluate
    from ehrbench.models.loading import open_model as load_model  # noqa: F401 - the face renames it
    from ehrbench.results.collection import Results as Results
    from ehrbench.results.collection import load_results as load_results
    from ehrbench.scoring.texts import metric as metric
    from ehrbench.studies.study import Study as Study
    from ehrbench.tasks.catalog import load_tasks as load_tasks

_FACE = {
    "EhrbenchError": "ehrbench.errors:EhrbenchError",
    "MissingError": "ehrbench.errors:MissingError",
    "PolicyError": "ehrbench.errors:PolicyError",
    "Results": "ehrbench.results.collection:Results",
    "SomeModelsFailed": "ehrbench.evaluation:SomeModelsFailed",
    "Study": "ehrbench.studies.study:Study",
    "UsageError": "ehrbench.errors:UsageError",
    "agreement": "ehrbench.correlation.python:agreement",
    "compare": "ehrbench.correlation.python:compare",
    "correlate": "ehrbench.correlation.python:correlate",
    "evaluate": "ehrbench.evaluation:evaluate",
    "human_stats": "ehrbench.correlation.python:human_stats",
    "load_model": "ehrbench.models.loading:open_model",
    "load_results": "ehrbench.results.collection:load_results",
    "load_tasks": "ehrbench.tasks.catalog:load_tasks",
    "metric": "ehrbench.scoring.texts:metric",
    "register": "ehrbench.register",
}
__all__ = ["__version__", *sorted(_FACE)]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'ehrbench' has no attribute '{name}'")
    module, _, attribute = _FACE[name].partition(":")
    found = import_module(module)
    thing = getattr(found, attribute) if attribute else found
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
