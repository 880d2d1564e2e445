"""Finding tasks: tables, includes, protocols, groups, globs, sources."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.tasks import catalog as catalog_module
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.schema import StratumSpec
from ehrbench.tasks.yaml_file import Position

TABLE = """\
include: _common.yaml
defaults:
  data: {reader: jsonl, path: suite}
  generation: {max_tokens: 32}
  protocol:
    paper:
      generation: {temperature: 0.5}
tasks:
  - {task: suite.ner.one, title: One, data: {options: {file: one.jsonl}}}
  - task: suite.ner.two
    data: {options: {file: two.jsonl}, policy: credentialed}
    generation: {max_tokens: 64}
    metrics: [token_f1]
    primary: token_f1
    protocol:
      paper: {generation: {max_tokens: 16}}
  - {task: suite.qa.three, group: [short], prompt: {user: "Q: {{ question }}"}}
"""
COMMON = """\
version: 2
data: {policy: open, path: elsewhere}
prompt: {user: "{{ question }}", system: Answer.}
metrics: [exact_match, token_f1]
primary: exact_match
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t" / "deep").mkdir(parents=True)
    (tmp_path / "t" / "suite.yaml").write_text(TABLE)
    (tmp_path / "t" / "_common.yaml").write_text(COMMON)
    return tmp_path / "t"


def one_task(name: str, more: str = "") -> str:
    return (
        f"task: {name}\nversion: 1\ndata: {{reader: jsonl, path: x, policy: open}}\n"
        f"prompt: {{user: '{{{{ question }}}}'}}\nmetrics: [exact_match]\nprimary: exact_match\n{more}"
    )


def test_layers_merge_mappings_and_replace_the_rest(folder: Path) -> None:
    catalog = load_catalog([folder])
    one, two = catalog.get("suite.ner.one"), catalog.get("suite.ner.two")
    assert (one.version, one.title, one.metrics) == (2, "One", ("exact_match", "token_f1"))
    assert (one.data.path, one.data.policy, one.data.options) == ("suite", "open", {"file": "one.jsonl"})
    assert (two.data.path, two.data.policy, two.data.options) == ("suite", "credentialed", {"file": "two.jsonl"})
    assert two.metrics == ("token_f1",)
    assert (one.generation.max_tokens, two.generation.max_tokens) == (32, 64)
    three = catalog.get("suite.qa.three")
    assert (three.prompt.user, three.prompt.system) == ("Q: {{ question }}", "Answer.")


def test_protocols_lie_above_all_layers(folder: Path) -> None:
    catalog = load_catalog([folder])
    one, two = catalog.get("suite.ner.one", "paper"), catalog.get("suite.ner.two", "paper")
    assert (one.generation.max_tokens, one.generation.temperature) == (32, 0.5)
    assert (two.generation.max_tokens, two.generation.temperature) == (16, 0.5)
    assert catalog.get("suite.ner.two").generation.temperature == 0


def test_every_value_has_an_origin(folder: Path) -> None:
    origin = load_catalog([folder]).origin("suite.ner.two", "paper")
    suite, common = folder / "suite.yaml", folder / "_common.yaml"
    assert origin["version",] == Position(common, 1)
    assert origin["prompt", "system"] == Position(common, 3)
    assert origin["data", "reader"] == Position(suite, 3)
    assert origin["data", "policy"] == Position(suite, 11)
    assert origin["metrics", 0] == Position(suite, 13)
    assert origin["generation", "temperature"] == Position(suite, 7)
    assert origin["generation", "max_tokens"] == Position(suite, 16)
    assert ("protocol",) not in origin
    assert load_catalog([folder]).origin("suite.ner.two")["generation", "max_tokens"] == Position(suite, 12)


def test_a_fault_points_to_the_layer_that_has_it(folder: Path) -> None:
    (folder / "_common.yaml").write_text(COMMON.replace("system:", "sytem:"))
    with pytest.raises(UsageError) as caught:
        load_catalog([folder]).select("suite")
    assert str(caught.value) == "t/_common.yaml:3: unknown key 'sytem' (did you mean 'system'?) in 'prompt'"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("protocol: paper", "t/b.yaml:7: expected a mapping of 'paper' and 'clean' for 'protocol'"),
        ("protocol: {papre: {}}", "t/b.yaml:7: unknown protocol 'papre' (did you mean 'paper'?)"),
        ("protocol:\n  paper: 5", "t/b.yaml:8: expected a mapping of the keys that differ for 'protocol.paper'"),
        ("protocol:\n  paper:\n    task: c", "t/b.yaml:9: a protocol cannot change 'task'"),
        ("protocol:\n  clean:\n    data:\n      policy: open", "t/b.yaml:10: a protocol cannot change 'data.policy'"),
    ],
)
def test_faults_of_protocol_blocks(folder: Path, block: str, message: str) -> None:
    (folder / "b.yaml").write_text(one_task("b", block))
    with pytest.raises(UsageError) as caught:
        load_catalog([folder])
    assert str(caught.value) == message


def test_a_task_without_a_paper_has_no_paper_protocol(folder: Path) -> None:
    (folder / "b.yaml").write_text(one_task("b"))
    (folder / "c.yaml").write_text(one_task("c", "protocol: {paper: }"))
    catalog = load_catalog([folder])
    with pytest.raises(UsageError, match=r"task 'b' has no protocol 'paper' \(it has: clean\)"):
        catalog.get("b", "paper")
    assert catalog.get("c", "paper") == catalog.get("c")
    assert "b" not in {spec.task for spec in catalog.tasks("paper")}


def test_groups_and_globs(folder: Path) -> None:
    (folder / "deep" / "b.yml").write_text(one_task("b", "group: [short, suite]"))
    catalog = load_catalog([folder])

    def names(expression: str) -> list[str]:
        return [spec.task for spec in catalog.select(expression)]

    assert names("suite.ner") == ["suite.ner.one", "suite.ner.two"]
    assert names("suite") == ["b", "suite.ner.one", "suite.ner.two", "suite.qa.three"]
    assert names("short") == ["b", "suite.qa.three"]
    assert names("suite.qa.three, suite.ner") == ["suite.qa.three", "suite.ner.one", "suite.ner.two"]
    assert names("b,short,b") == ["b", "suite.qa.three"]
    assert names("suite.*.t*") == ["suite.ner.two", "suite.qa.three"]
    assert names("su?te.ner") == ["suite.ner.one", "suite.ner.two"]
    assert catalog.groups()["suite.qa"] == ["suite.qa.three"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("suite.nre", "unknown task or group 'suite.nre' (did you mean 'suite.ner'"),
        ("medaling", "unknown task or group 'medaling' (did you mean 'medalign'?)"),
        ("zz*", "unknown task or group 'zz*'"),
        ("suite,,b", "tasks 'suite,,b' has an empty part"),
        ("", "tasks '' has an empty part"),
    ],
)
def test_unknown_names(folder: Path, expression: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_catalog([folder]).select(expression)
    assert str(caught.value).startswith(message)


def test_a_task_that_two_files_define(folder: Path) -> None:
    (folder / "deep" / "again.yaml").write_text("# second\n" + one_task("suite.ner.one"))
    with pytest.raises(UsageError) as caught:
        load_catalog([folder])
    assert str(caught.value) == ("t/suite.yaml:9: task 'suite.ner.one' is already defined in t/deep/again.yaml:2; rename one")


def test_a_task_that_is_defined_twice_in_one_file(folder: Path) -> None:
    (folder / "suite.yaml").write_text(TABLE + "  - {task: suite.ner.one}\n")
    with pytest.raises(UsageError, match=r"t/suite.yaml:18: task 'suite.ner.one' is already defined in t/suite.yaml:9"):
        load_catalog([folder])


def test_the_shipped_tasks_cannot_be_replaced(folder: Path) -> None:
    (folder / "b.yaml").write_text(one_task("medalign"))
    with pytest.raises(UsageError, match=r"t/b.yaml:1: task 'medalign' is already defined in .*medalign\.yaml:1; rename one"):
        load_catalog([folder])


def test_a_folder_that_is_given_twice_is_read_once(folder: Path) -> None:
    assert "suite.ner.one" in load_catalog([folder, folder / ".", folder / "suite.yaml", folder / "deep"]).names()


def test_a_single_file_may_be_given(folder: Path) -> None:
    names = load_catalog([folder / "suite.yaml"]).names()
    assert "suite.ner.one" in names


def test_a_missing_folder(folder: Path) -> None:
    with pytest.raises(UsageError, match="task folder t/nowhere does not exist"):
        load_catalog([folder / "nowhere"])


def test_hidden_folders_are_left_alone(folder: Path) -> None:
    (folder / ".venv").mkdir()
    (folder / ".venv" / "x.yaml").write_text("a: [")
    load_catalog([folder])


@pytest.mark.parametrize(
    ("included", "content", "message"),
    [
        ("suite.yaml", None, "t/suite.yaml:1: include cycle: the file includes itself"),
        ("_x.yaml", "include: suite.yaml\n", "t/suite.yaml:1: include cycle: t/_x.yaml:1 includes 'suite.yaml' again"),
        ("_x.yaml", "version: 1\ninclude: _x.yaml\n", "t/suite.yaml:1: include cycle: t/_x.yaml:2 includes '_x.yaml' again"),
        ("_x.yaml", "include: _common.yaml\n", "t/_x.yaml:1: an included file includes no further one; t/suite.yaml:1 includes"),
        ("_x.yaml", "a: 1\ntask: q\n", "t/_x.yaml:2: 'task' has no place in an included file"),
        ("_x.yaml", "- a\n", "t/_x.yaml:1: expected a mapping of a task's keys; t/suite.yaml:1 includes this file"),
        ("_x.yaml", "a: [\n", "t/_x.yaml:2: not valid YAML"),
        ("_y.yaml", None, "t/suite.yaml:1: include '_y.yaml': no such file in t"),
        ("../out.yaml", None, "t/suite.yaml:1: include '../out.yaml' leaves the folder t"),
        ("/etc/passwd", None, "t/suite.yaml:1: include '/etc/passwd' leaves the folder t"),
        ("[_common.yaml]", None, "t/suite.yaml:1: expected the name of one YAML file for 'include'"),
    ],
)
def test_faults_of_includes(folder: Path, included: str, content: str | None, message: str) -> None:
    (folder.parent / "out.yaml").write_text(COMMON)
    (folder / "suite.yaml").write_text(TABLE.replace("_common.yaml", included))
    if content is not None:
        (folder / "_x.yaml").write_text(content)
    with pytest.raises(UsageError) as caught:
        load_catalog([folder])
    assert str(caught.value).startswith(message)


def test_an_include_cannot_leave_through_a_link(folder: Path) -> None:
    (folder.parent / "out.yaml").write_text(COMMON)
    (folder / "_link.yaml").symlink_to(folder.parent / "out.yaml")
    (folder / "suite.yaml").write_text(TABLE.replace("_common.yaml", "_link.yaml"))
    with pytest.raises(UsageError, match="leaves the folder t"):
        load_catalog([folder])


PLUGIN = """\
[ehrbench.tasks]
acme = {target}
"""


def install(site: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a tiny installed distribution on the path."""
    info = site / "acme_tasks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tasks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(PLUGIN.format(target=target))
    package = site / "acme_tasks"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from pathlib import Path\nFOLDER = str(Path(__file__).parent)\ndef folder():\n    return Path(FOLDER)\n"
    )
    (package / "acme.yaml").write_text(one_task("acme.one"))
    monkeypatch.syspath_prepend(str(site))
    for name in [name for name in sys.modules if name.startswith("acme_tasks")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("target", ["acme_tasks", "acme_tasks:folder", "acme_tasks:FOLDER"])
def test_tasks_of_an_installed_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    install(tmp_path / "site", target, monkeypatch)
    catalog = load_catalog()
    assert catalog.get("acme.one").version == 1
    assert [spec.task for spec in catalog.select("acme")] == ["acme.one"]


@pytest.mark.parametrize("target", ["acme_tasks:nothing", "no_such_module", "acme_tasks:folder.missing"])
def test_a_broken_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    install(tmp_path / "site", target, monkeypatch)
    with pytest.raises(UsageError, match=r"task plugin 'acme' \(.*\) gives no folder of tasks"):
        load_catalog()


def test_a_plugin_cannot_replace_a_shipped_task(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "b.yaml").write_text(one_task("medalign"))
    entry = EntryPoint("x", f"{__name__}:unused", "ehrbench.tasks")
    monkeypatch.setattr(EntryPoint, "load", lambda self: folder)
    monkeypatch.setattr(catalog_module, "entry_points", lambda group: [entry] if group == "ehrbench.tasks" else [])
    with pytest.raises(UsageError, match=r"t/b.yaml:1: task 'medalign' is already defined in"):
        load_catalog()


def test_importing_the_catalogue_is_light() -> None:
    code = (
        "import sys; from ehrbench.tasks.catalog import load_catalog; c = load_catalog(); c.match('medalign');"
        "print([m for m in ('pydantic', 'numpy', 'jinja2', 'polars', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_hundred_tasks_load_fast(tmp_path: Path) -> None:
    rows = [
        f"  - {{task: big.g{i % 10}.t{i}, title: T{i}, expected_items: {i + 1}, data: {{options: {{file: f{i}.json}}}},"
        f" facts: {{paper: P{i}, source: S}}, caveats: [one, two], metrics: [exact_match, token_f1]}}"
        for i in range(200)
    ]
    (tmp_path / "_common.yaml").write_text(COMMON)
    (tmp_path / "big.yaml").write_text(TABLE.split("tasks:")[0] + "tasks:\n" + "\n".join(rows) + "\n")
    load_catalog([tmp_path]).tasks()  # pydantic's import is not the catalogue's cost
    seconds = []
    for _ in range(3):
        start = time.process_time()
        assert len(load_catalog([tmp_path]).select("big")) == 200
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3


def test_what_is_published_of_strata_decides_no_number() -> None:
    """A run of 0.1, whose task file had names of strata only, goes on under a file that states their values."""
    (task,) = load_catalog().select("medalign")
    assert task.strata
    bare = task.model_copy(update={"strata": tuple(StratumSpec(by=stratum.by) for stratum in task.strata)})
    assert bare != task
    assert bare.digest() == task.digest()
    assert task.model_copy(update={"strata": ()}).digest() != task.digest()
