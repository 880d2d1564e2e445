"""Results: their schema, the store and the published rows."""

from ehrbench.results.schema import (
    OUTCOMES,
    SCHEMA_VERSION,
    SCORED_OUTCOMES,
    ContextInfo,
    MetricResult,
    ModelInfo,
    Outcome,
    Result,
    Source,
    Usage,
)

__all__ = [
    "OUTCOMES",
    "SCHEMA_VERSION",
    "SCORED_OUTCOMES",
    "ContextInfo",
    "MetricResult",
    "ModelInfo",
    "Outcome",
    "Result",
    "Source",
    "Usage",
]
