"""The study file: models x tasks x settings, checked on load. docs/studies.md explains each key to users."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from ehrbench.studies.pictures import Picture
from ehrbench.tasks.schema import MAX_TOKENS, ContextPolicy, Keep, Protocol

T = TypeVar("T")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$"
"""Names become file names: letters, digits, ``_``, ``.`` and ``-``."""


class _ListOrOne:
    """Lets a list of one be written without its brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _as_list(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


Several = Annotated[tuple[T, ...], _ListOrOne()]
"""One value or a list of them."""
Name = Annotated[str, Field(pattern=NAME)]
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Format = Literal["markdown", "latex", "csv", "html"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Settings(_Strict):
    """Options of ``ehrbench run``; a list stands for one run with each value, ``null`` for what the task or model says."""

    protocol: Several[Protocol] = ()
    prompt: Several[str] = ()
    context: Several[ContextPolicy | None] = ()
    keep: Several[Keep | None] = ()
    max_model_len: Several[Tokens | None] = ()
    """Window in tokens, prompt and answer together."""
    budget_tokenizer: Several[str | None] = ()
    chunk_tokens: Several[Tokens | None] = ()
    max_tokens: Several[Tokens | None] = ()
    max_reasoning_tokens: Several[int | None] = ()
    temperature: Several[float | None] = ()
    top_p: Several[float | None] = ()
    num_fewshot: Several[Annotated[int, Field(ge=0)] | None] = ()
    seed: Several[int] = ()
    seeds: Several[int] = ()
    """Repeats: one run under each seed, and in the tables one row of means over items and seeds."""
    limit: Several[Annotated[int, Field(ge=1)] | None] = ()
    samples: Several[str | int | None] = ()
    """The items to be asked: ids, or one file of ids from the study file's folder; a list is one set of them."""
    model_profile: Several[str | None] = ()

    @model_validator(mode="after")
    def _seeds_once(self) -> Settings:
        if self.seed and self.seeds:
            raise ValueError("seed and seeds exclude each other: seed makes a row for each value, seeds one row of their means")
        if None in self.samples and len(self.samples) > 1:
            raise ValueError("samples: null means all items, so it stands alone")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: one is given twice; give each once")
        return self

    def given(self) -> dict[str, tuple[Any, ...]]:
        """The settings that say something, each with its values; all samples together are one."""
        found = {name: values for name in type(self).model_fields if (values := getattr(self, name))}
        return {**found, "samples": (self.samples,)} if self.samples else found


class ModelEntry(_Strict):
    """A model of the study."""

    model: str
    """What ``--model`` takes."""
    args: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """The backend's arguments, as ``--model-arg`` takes them."""
    settings: Settings = Settings()
    """Settings of this model alone."""

    @model_validator(mode="before")
    @classmethod
    def _a_spec_alone(cls, data: object) -> object:
        return {"model": data} if isinstance(data, str) else data


class Question(_Strict):
    """What one table answers."""

    title: str = ""
    tasks: Annotated[Several[str], Field(min_length=1)]
    """Tasks, groups and globs."""
    models: Several[str] = ()
    """Short names; none: all models."""
    settings: Settings = Settings()
    grid: tuple[Settings, ...] = ()
    """Each entry is crossed by itself; the entries stand one below the other."""
    metrics: Several[str] = ()
    """In place of the tasks' own."""


class JudgeEntry(_Strict):
    """A model that judges the others' answers against those of a reference."""

    model: str
    args: dict[str, str | int | float | bool] = Field(default_factory=dict)
    reference: str
    """Short name of the model that is the measure."""
    questions: Several[str] = ()
    """None: all questions."""
    protocol: Protocol = "clean"
    structured: bool = False
    """Ask the judge's server for JSON of a fixed form."""


class ComparisonEntry(_Strict):
    """Two models, tested on the items that both answered."""

    a: str
    b: str
    questions: Several[str] = ()
    """None: all questions that have both."""
    metrics: Several[str] = ()
    """None: those of the questions, and each task's primary metric where a question names none."""


class ReportEntry(_Strict):
    """What ``study report`` writes."""

    formats: Several[Format] = ("markdown", "latex", "csv", "html")
    figures: bool | Several[Picture] = True
    """``true``: as SVG."""
    leaderboard: bool = True

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The forms of figures that are wanted."""
        if isinstance(self.figures, bool):
            return ("svg",) if self.figures else ()
        return self.figures


class StudySpec(_Strict):
    """A whole study."""

    study: Name
    title: str = ""
    data_dir: str | None = None
    """Folder that holds the releases, or ``sample``; from the study file's folder."""
    out: str | None = None
    """Folder of runs and report, from the study file's folder; its name where nothing is said."""
    include_paths: Several[str] = ()
    models: Annotated[dict[Name, ModelEntry], Field(min_length=1)]
    settings: Settings = Settings()
    metric_args: dict[str, str] = Field(default_factory=dict)
    log_to: Several[str] = ()
    """Who is told numbers while cells are run: ``mlflow``, ``wandb``, ``trackio``, each perhaps with ``:PLACE``."""
    questions: Annotated[dict[Name, Question], Field(min_length=1)]
    judges: dict[Name, JudgeEntry] = Field(default_factory=dict)
    comparisons: tuple[ComparisonEntry, ...] = ()
    report: ReportEntry = ReportEntry()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a study file, for editors."""
    schema = StudySpec.model_json_schema()
    for name in ("ModelEntry",):  # a model may be written as its spec alone
        entry = schema["$defs"][name]
        schema["$defs"][name] = {"anyOf": [{"type": "string"}, entry]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
