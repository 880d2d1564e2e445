"""What a broken task file says: the file, the line, what was found and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.prompts import render

TASK = """\
task: mine
version: 1
data:
  reader: jsonl
  path: mine
  policy: open
prompt:
  user: "{{ question }}"
metrics: [exact_match]
primary: exact_match
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    return tmp_path / "t"


def fault(folder: Path, text: str, name: str = "mine", protocol: str = "clean") -> str:
    """The message that loading and getting the task ends in."""
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_catalog([folder]).get(name, protocol)  # type: ignore[arg-type]
    return str(caught.value)


def test_the_base_is_valid(folder: Path) -> None:
    (folder / "a.yaml").write_text(TASK)
    assert load_catalog([folder]).get("mine").data.path == "mine"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "primary:",
            "primry:",
            "t/a.yaml:10: unknown key 'primry' (did you mean 'primary' or 'prompt'?)\nt/a.yaml:1: missing key 'primary'",
        ),
        (
            "  user:",
            "  usr:",
            "t/a.yaml:7: missing key 'prompt.user'\nt/a.yaml:8: unknown key 'usr' (did you mean 'user'?) in 'prompt'",
        ),
        (
            "version: 1",
            "version: 1\ngeneration: {max_gen_tokens: 5}",
            "t/a.yaml:3: unknown key 'max_gen_tokens' (did you mean 'max_tokens' or 'max_reasoning_tokens'?) in 'generation'",
        ),
        (
            "version: 1",
            "version: 1\nmax_tokens: 5",
            "t/a.yaml:3: unknown key 'max_tokens' at the top of a task: it belongs under 'generation:'",
        ),
        ("policy: open", "policy: secret", "t/a.yaml:6: expected 'open' or 'credentialed' for 'data.policy', found 'secret'"),
        ("version: 1", "version: one", "t/a.yaml:2: expected a whole number for 'version', found 'one'"),
        ("version: 1", "version: 0", "t/a.yaml:2: expected a number of at least 1 for 'version', found the number 0"),
        ("version: 1", "version: 1\nrecord: 5", "t/a.yaml:3: expected a mapping for 'record', found the number 5"),
        ("version: 1", "version: 1\ntitle: {a: b}", "t/a.yaml:3: expected text for 'title', found a mapping"),
        ("metrics: [exact_match]", "metrics: []", "t/a.yaml:9: expected at least 1 entry for 'metrics', found an empty list"),
        ("metrics: [exact_match]", "metrics: exact_match", "t/a.yaml:9: expected a list for 'metrics', found 'exact_match'"),
        ("reader: jsonl", "reader: jsonlines", "t/a.yaml:4: unknown reader 'jsonlines' (did you mean 'jsonl'?)"),
        ("primary: exact_match", "primary: bleu", "t/a.yaml:10: primary 'bleu' is not one of metrics (exact_match)"),
        (
            "version: 1",
            "version: 1\nvariants: {default: {user: '{{ question }}'}}",
            "t/a.yaml:3: 'default' names the task's own prompt; give the variant another name",
        ),
        ("metrics: [exact_match]", "metrics: [exact_match, exact_match]", "t/a.yaml:9: 'exact_match' is listed twice"),
    ],
)
def test_faults_of_the_schema(folder: Path, old: str, new: str, message: str) -> None:
    assert sorted(fault(folder, TASK.replace(old, new)).splitlines()) == sorted(message.splitlines())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("metrics:\n  - exact_match\n  - rouge_k\n", "t/a.yaml:11: unknown metric 'rouge_k' (did you mean 'rouge_"),
        (
            "metrics: [exact_match]\nanswer: [strip_thinkin]\n",
            "t/a.yaml:10: unknown answer clean-up 'strip_thinkin' (did you mean",
        ),
    ],
)
def test_names_that_nobody_registered(folder: Path, more: str, message: str) -> None:
    assert fault(folder, TASK.replace("metrics: [exact_match]\n", more)).startswith(message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"{{ question }}"', '"What is it?"', "t/a.yaml:8: prompt.user: the slot {{ question }} is missing"),
        (
            '"{{ question }}"',
            '"{{ question }} {{ qestion }}"',
            "t/a.yaml:8: prompt.user, template line 1: unknown slot 'qestion' (did",
        ),
        ('"{{ question }}"', '"{{ question }"', "t/a.yaml:8: prompt.user, template line 1: "),
        ('"{{ question }}"', '"{{ question }}{{ record }}"', "t/a.yaml:8: prompt.user, template line 1: slot 'record', but"),
        ("version: 1", "version: 1\nrecord: {}", "t/a.yaml:9: prompt.user: the slot {{ record }} is missing"),
        (
            "version: 1",
            "version: 1\nvariants:\n  short:\n    user: '{{ question }}'\n    system: '{{ definition }}'",
            "t/a.yaml:6: variants.short.system, template line 1: unknown slot 'definition'",
        ),
        (
            '"{{ question }}"',
            "\"{% include '/etc/passwd' %} {{ question }}\"",
            "t/a.yaml:8: prompt.user, template line 1: 'include'",
        ),
    ],
)
def test_faults_of_prompts(folder: Path, old: str, new: str, message: str) -> None:
    assert fault(folder, TASK.replace(old, new)).startswith(message)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ question.__init__.__globals__ }}",
        "{{ question.format.__func__ }}",
        "{{ range.__self__.__import__('os') }}",
    ],
)
def test_a_prompt_cannot_climb_out_of_its_sandbox(folder: Path, template: str) -> None:
    (folder / "a.yaml").write_text(TASK.replace('"{{ question }}"', f'"{{{{ question }}}} {template}"'))
    with pytest.raises(UsageError, match=r"prompt\.user"):
        render(load_catalog([folder]).get("mine").prompt, {"question": "Q?"})


def test_a_declared_slot_may_be_used(folder: Path) -> None:
    text = TASK.replace("{{ question }}", "{{ definition }} {{ question }}").replace(
        "policy: open", "policy: open\n  slots: [definition]"
    )
    (folder / "a.yaml").write_text(text)
    assert load_catalog([folder]).get("mine").data.slots == ("definition",)


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../x", "~/x", "a\\..\\..\\x", "C:\\x", "\\\\server\\x", "''"])
def test_data_path_stays_below_the_data_directory(folder: Path, path: str) -> None:
    message = fault(folder, TASK.replace("path: mine", f"path: {path}"))
    assert message == "t/a.yaml:5: data.path must name a folder below the data directory, without '..'"


@pytest.mark.parametrize("name", ["Mine", "a..b", ".a", "a.", "../a", "a b", "a/b"])
def test_task_names_are_safe_names(folder: Path, name: str) -> None:
    message = fault(folder, TASK.replace("task: mine", f"task: '{name}'"), name=name)
    assert message.startswith(f"t/a.yaml:1: '{name}' is not a task name: expected lower-case letters")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [a\nb: c\n", "t/a.yaml:2: not valid YAML: "),
        ("task: a\n  b: c\n", "t/a.yaml:2: not valid YAML: mapping values are not allowed"),
        ("task: \x07\n", "t/a.yaml:1: not valid YAML: "),
        ("task: a\nversion: 1\ntask: b\n", "t/a.yaml:3: key 'task' is given twice, first in line 1"),
        ("data:\n  path: a\n  path: b\n", "t/a.yaml:3: key 'path' is given twice, first in line 2"),
        ("task: a\n---\ntask: b\n", "t/a.yaml:2: a second document"),
        ("- task: a\n", "t/a.yaml:1: expected a mapping with 'task:' or 'tasks:'"),
        ("", "t/a.yaml:1: expected a mapping with 'task:' or 'tasks:'"),
        ("title: a\n", "t/a.yaml:1: expected 'task:' (one task) or 'tasks:' (a table)"),
        ("task:\nversion: 1\n", "t/a.yaml:1: expected a name for 'task'"),
        ("tasks: 5\n", "t/a.yaml:1: expected a list of tasks for 'tasks'"),
        ("tasks: [5]\n", "t/a.yaml:1: expected a mapping of one task's keys"),
        ("tasks:\n  - title: x\n", "t/a.yaml:2: expected a name for 'task'"),
        (
            "version: 1\ntasks: [{task: a}]\n",
            "t/a.yaml:1: unknown key 'version' (known: defaults, include, tasks); keys of every",
        ),
        ("defaults: {task: a}\ntasks: [{task: b}]\n", "t/a.yaml:1: 'task' has no place under 'defaults'"),
        ("defaults: 5\ntasks: [{task: b}]\n", "t/a.yaml:1: expected a mapping for 'defaults'"),
        ("? [a]\n: b\n", "t/a.yaml:1: a key is a mapping or a list"),
    ],
)
def test_faults_of_the_file(folder: Path, text: str, message: str) -> None:
    assert fault(folder, text).startswith(message)


def test_a_file_that_is_not_text(folder: Path) -> None:
    (folder / "a.yaml").write_bytes(b"task: a\ntitle: \xff\xfe\n")
    with pytest.raises(UsageError, match=r"t/a\.yaml:2: the file is not UTF-8 text"):
        load_catalog([folder])


def test_all_faults_of_all_files_are_told_at_once(folder: Path) -> None:
    (folder / "a.yaml").write_text("task: [\n")
    (folder / "b.yaml").write_text("x: 1\nx: 2\ny: 1\ny: 2\n")
    (folder / "c.yaml").write_text(TASK)
    with pytest.raises(UsageError) as caught:
        load_catalog([folder])
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["t/a.yaml:2", "t/b.yaml:2", "t/b.yaml:4"]


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch pwned']",
        "!!python/object/new:subprocess.Popen [[touch, pwned]]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!function os.system",
        "!include /etc/passwd",
        "!!binary aGk=",
        "!!set {a}",
    ],
)
def test_tags_are_refused(folder: Path, value: str) -> None:
    message = fault(folder, TASK + f"facts:\n  x: {value}\n")
    assert message.startswith("t/a.yaml:12: tag ")
    assert "plain values only" in message
    assert not Path("pwned").exists()


def test_aliases_cannot_blow_a_file_up(folder: Path) -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\n"
    assert fault(folder, bomb).startswith("t/a.yaml:1: anchor '&a' is not read")
    assert fault(folder, "a: *b\n").startswith("t/a.yaml:1: ")
    assert fault(folder, "a: " + "[" * 40 + "]" * 40).startswith("t/a.yaml:1: nested more than 32 deep")


def test_a_huge_file_is_refused_unread(folder: Path) -> None:
    assert fault(folder, TASK + "#" * (4 << 20)) == "t/a.yaml: larger than 4 MiB, which no task file is"


def test_words_of_answers_stay_words(folder: Path) -> None:
    facts = (
        "facts: {labels: [yes, no, on, off, y, N], nested: {no: yes}, n: 12:30, d: 2024-01-02,\n"
        "  i: 7, f: 1.5, huge: 1e999, t: true, e: }\n"
    )
    (folder / "a.yaml").write_text(TASK + facts)
    assert load_catalog([folder]).get("mine").facts == {
        "labels": ["yes", "no", "on", "off", "y", "N"],
        "nested": {"no": "yes"},
        "n": "12:30",
        "d": "2024-01-02",
        "i": 7,
        "f": 1.5,
        "huge": "1e999",
        "t": True,
        "e": None,
    }


def test_one_look_finds_every_fault(folder: Path) -> None:
    text = """\
task: mine
version: 0
titel: x
data: {reader: medalgn, path: ../x, policy: secret}
prompt: {user: "{{ questoin }}"}
metrics: [rouge_9, chrf_pp]
primary: bleu
answer: [strp]
"""
    lines = [line.partition(": ")[0] for line in fault(folder, text).splitlines()]
    assert sorted(lines) == [f"t/a.yaml:{number}" for number in (2, 3, 4, 4, 4, 5, 6, 7, 8)]
