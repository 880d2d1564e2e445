"""The reader of MedS-Bench's files: what it takes as it comes, and what it refuses with file and instance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.samples import write_sample
from ehrbench.runs.fewshot import draw_examples, example_pool
from ehrbench.suites.meds_bench.options import gold_label, gold_letters, option_texts, parts_as_written
from ehrbench.suites.meds_bench.reader import read
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.schema import FewshotSpec

OPTIONS = {"folder": "NER", "file": "task125_test.json"}
TOY: dict[str, Any] = {
    "Definition": ["List the chemicals."],
    "Instances": [
        {"input": "Zinc and copper were given.", "output": "Zinc, copper."},
        {"input": "No drug was used.", "output": ["There is no related enetity.", "none"]},
    ],
}


def write(root: Path, data: object, name: str = "task125_test.json", place: str = "NER") -> Path:
    path = root / place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def changed(**keys: Any) -> dict[str, Any]:
    return {**TOY, **keys}


def instances(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return changed(Instances=[{"input": x, "output": y} for x, y in pairs])


def test_reads_strings_lists_and_makes_ids(tmp_path: Path) -> None:
    write(tmp_path, TOY)
    items = read(tmp_path, OPTIONS).items
    assert [item.id for item in items] == ["task125_test:0", "task125_test:1"]
    assert items[0].references == ("Zinc, copper.",)
    assert items[1].references == ("There is no related enetity.", "none")
    assert items[0].slots == {"definition": "List the chemicals.", "options": []}


def test_a_plain_definition_is_whole(tmp_path: Path) -> None:
    write(tmp_path, changed(Definition="List the chemicals."))
    assert read(tmp_path, OPTIONS).items[0].slots["definition"] == "List the chemicals."


def test_na_words_and_numbers_are_texts(tmp_path: Path) -> None:
    golds = ["None", "NA", "nan", "null", 0, True, "", "1.50"]
    write(tmp_path, instances(*[(f"q{i}", gold) for i, gold in enumerate(golds)]))
    dataset = read(tmp_path, OPTIONS)
    assert [item.references[0] for item in dataset.items] == ["None", "NA", "nan", "null", "0", "True", "", "1.50"]
    assert any("1 instances have a blank gold" in line for line in dataset.warnings)


def test_items_on_one_input_are_a_group(tmp_path: Path) -> None:
    write(tmp_path, instances(("a", "1"), ("b", "2"), ("a", "3")))
    groups = [item.group for item in read(tmp_path, OPTIONS).items]
    assert groups[0] == groups[2] is not None
    assert groups[1] is None


def test_a_single_object_named_jsonl_is_read(tmp_path: Path) -> None:
    write(tmp_path, TOY, "task57_x.jsonl", "MCQA")
    assert len(read(tmp_path, {"folder": "MCQA", "file": "task57_x.jsonl"}).items) == 2


@pytest.mark.parametrize("place", ["NER", "prepared/NER", "MedS-Bench-SPLIT/NER", "MedS-Bench/NER"])
def test_layouts(tmp_path: Path, place: str) -> None:
    assert not read.recognises(tmp_path, OPTIONS)
    write(tmp_path, TOY, place=place)
    assert read.recognises(tmp_path, OPTIONS)
    assert len(read(tmp_path, OPTIONS).items) == 2


def test_the_capped_release_is_preferred_to_the_full_one(tmp_path: Path) -> None:
    write(tmp_path, instances(("full", "1")), place="MedS-Bench/NER")
    write(tmp_path, instances(("split", "1")), place="MedS-Bench-SPLIT/NER")
    assert read(tmp_path, OPTIONS).items[0].question == "split"


def test_a_renamed_file_is_found_by_its_task_id(tmp_path: Path) -> None:
    write(tmp_path, TOY, "task125_other_name.json")
    write(tmp_path, TOY, "task126_other.json")
    assert len(read(tmp_path, OPTIONS).items) == 2
    write(tmp_path, TOY, "task125_third.json")
    with pytest.raises(UsageError, match="2 files of task125"):
        read(tmp_path, OPTIONS)


def test_a_larger_file_is_sampled_and_marked(tmp_path: Path) -> None:
    write(tmp_path, instances(*[(f"q{i}", "a") for i in range(50)]))
    sampled = read(tmp_path, {**OPTIONS, "cap": 10})
    assert len(sampled.items) == 10
    assert sampled.track == "resampled"
    assert [item.id for item in sampled.items] == [item.id for item in read(tmp_path, {**OPTIONS, "cap": 10}).items]
    assert [item.id for item in sampled.items] != [
        item.id for item in read(tmp_path, {**OPTIONS, "cap": 10, "sample_seed": 1}).items
    ]
    assert read(tmp_path, {**OPTIONS, "cap": 50}).track == ""


def test_only_one_label_is_kept_where_the_file_has_labels(tmp_path: Path) -> None:
    rows = [{"input": f"q{i}", "output": "h.", "label": label} for i, label in enumerate(["entailment", "neutral", "Entailment"])]
    write(tmp_path, changed(Instances=rows))
    assert [item.question for item in read(tmp_path, {**OPTIONS, "label": "Entailment"}).items] == ["q0", "q2"]
    with pytest.raises(UsageError, match="no instance has the label 'Contradiction'"):
        read(tmp_path, {**OPTIONS, "label": "Contradiction"})


def test_labels_from_the_file_beside_it(tmp_path: Path) -> None:
    pairs = [("The patient IS well.", "He is well", "Entailment"), ("The patient IS well.", "He is ill", "Contradiction")]
    write(tmp_path, instances(*[(p.capitalize(), f"{h}.") for p, h, _ in pairs]))
    options = {**OPTIONS, "label": "Entailment", "labels_from": "task41_x.json"}
    with pytest.raises(UsageError, match="task41_x.json is not there"):
        read(tmp_path, options)
    write(tmp_path, instances(*[(f"Sentence1: {p}\n\nSentence2: {h}", label) for p, h, label in pairs]), "task41_x.json")
    assert [item.references[0] for item in read(tmp_path, options).items] == ["He is well."]
    write(tmp_path, instances(("Another.", "He is well.")))
    with pytest.raises(UsageError, match="instance 0 is not a pair of task41_x.json"):
        read(tmp_path, options)


SECRET = "Zinc and copper"
BAD = {
    "jsonl": ('{"input": "Zinc and copper"}\n{"input": "b"}\n', "JSON Lines"),
    "jsonl with a line separator": ('{"input": "Zinc\u2028and copper"}\n{"input": "b"}\n', "JSON Lines"),
    "broken": ('{"Instances": [', r"json:1: not JSON"),
    "list": ([{"input": SECRET, "output": "b"}], "a list; expected one JSON object"),
    "text": ('"Zinc and copper"', "expected one JSON object"),
    "nan": ('{"Definition": ["d"], "Instances": NaN}', "NaN"),
    "no instances": ({"Definition": ["d"], "instances": []}, "no key 'Instances'"),
    "empty instances": (changed(Instances=[]), "at least one instance"),
    "instances object": (changed(Instances={"a": 1}), "must be a list"),
    "instance text": (changed(Instances=[SECRET]), "instance 0 is not an object"),
    "no definition": ({"Instances": TOY["Instances"]}, "'Definition' is neither a text"),
    "empty definition": (changed(Definition=[]), "'Definition' is neither a text"),
    "no output": (changed(Instances=[TOY["Instances"][0], {"input": SECRET}]), "instance 1: 'output' is absent"),
    "null output": (instances((SECRET, None)), "instance 0: 'output'"),
    "empty list": (instances((SECRET, [])), "instance 0: 'output'"),
    "nested": (instances((SECRET, [["b"]])), "instance 0: 'output'"),
    "object": (instances((SECRET, {"a": SECRET})), "instance 0: 'output'"),
    "no input": (instances((None, "b")), "instance 0: 'input'"),
    "blank input": (instances((" ", "b")), "instance 0: 'input'"),
    "twice": (changed(Instances=[{**row, "id": "a"} for row in TOY["Instances"]]), "instance 1: the id a is there already"),
}


@pytest.mark.parametrize("name", BAD)
def test_refusals_name_the_place_and_quote_nothing(tmp_path: Path, name: str) -> None:
    data, message = BAD[name]
    path = write(tmp_path, data)
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path, OPTIONS)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_missing_files_and_wrong_options(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="ehrbench data fetch meds_bench"):
        read(tmp_path, OPTIONS)
    with pytest.raises(UsageError, match=r"missing key 'data\.options\.folder'"):
        read(tmp_path, {"file": "a.json"})
    for options in ({"folder": "..", "file": "a.json"}, {"folder": "NER", "file": "../a.json"}):
        with pytest.raises(UsageError, match="plain name"):
            read(tmp_path, options)
    with pytest.raises(UsageError, match="did you mean 'folder'"):
        read(tmp_path, {**OPTIONS, "folders": "NER"})


@given(st.binary(max_size=200))
def test_any_bytes_end_in_items_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = tmp_path_factory.mktemp("meds")
    (root / "NER").mkdir()
    (root / "NER" / "task125_test.json").write_bytes(data)
    with pytest.raises(UsageError):
        read(root, OPTIONS)


def test_options_of_every_language() -> None:
    assert option_texts("Question: Which?\nOptions: A: one\tB: two, B: not\tC: three") == ("one", "two, B: not", "three")
    assert option_texts("问题: 哪个？\n选项: A: 一\tB: 二") == ("一", "二")
    assert option_texts("質問: どれ\nオプション: A: 一\tB: 二\tE: 五") == ("一", "二\tE: 五")  # a gap ends the list
    assert option_texts("Which?\nA. one\nB. two\nC. three") == ("one", "two", "three")
    assert option_texts("Which?\nOptions: A: \tB: two") == ("", "two")
    assert option_texts("Which?") == ()


@pytest.mark.parametrize(
    ("question", "stem", "options"),
    [
        ("Question: Which? \nOptions: A: one \tB:  two\tC: ", "Question: Which? ", ("one ", " two", "")),
        ("Of these,\n\nOptions: A: one\tB: two", "Of these,\n", ("one", "two")),
        ("Which?\nA. no option\nis it?\nA. one\nB. two ", "Which?\nA. no option\nis it?", ("one", "two ")),
        ("A. baumannii grows\nA. fast\nB. slowly", "A. baumannii grows", ("fast", "slowly")),
        ("Nothing is listed.\n", "Nothing is listed.\n", ()),
    ],
)
def test_options_to_the_letter(question: str, stem: str, options: tuple[str, ...]) -> None:
    end, found = parts_as_written(question)
    assert (question[:end], found) == (stem, options)
    assert option_texts("No options at all, A: alone") == ()


@pytest.mark.parametrize(
    ("gold", "letters"),
    [
        ("The right answer is B: Bananas, A: not this", ("B", "A")),  # what stands after a comma and a letter is an answer, too
        ("The right answer is B: Bananas", ("B",)),
        ("正确答案是 D: 胰腺", ("D",)),
        ("正しい答えは A: 一, C: 三 です", ("A", "C")),
        ("Les bonnes réponses est A, C: deux", ("A", "C")),
        ("Les bonnes réponses est C: trois", ("C",)),
        ("Правильные ответ: A: да", ("A",)),
        ("La respuesta correcta es: B: dos", ("B",)),
        ("maybe", ("maybe",)),
    ],
)
def test_gold_letters(gold: str, letters: tuple[str, ...]) -> None:
    assert gold_letters(gold) == letters


def test_gold_label() -> None:
    assert gold_label("The diagnosis result is Bronchitis.") == "Bronchitis"
    assert gold_label("The treatment planning is: Radiation after surgery") == "Radiation after surgery"


def test_sample_has_every_file_of_the_catalogue_in_its_shape(tmp_path: Path) -> None:
    root = write_sample("meds_bench", tmp_path / "sample")
    specs = load_catalog().select("meds_bench")
    for spec in specs:
        dataset = read(root, spec.data.options)
        assert len(dataset.items) >= 3, spec.task
        if spec.data.options.get("choices") == "options":
            assert all(len(item.choices) > 1 and set(item.labels) <= set("ABCDE") for item in dataset.items), spec.task
    assert len(list(root.rglob("task*"))) == len(specs) == 53
    lists = {
        p.name.partition("_")[0]
        for p in root.rglob("task*")
        if isinstance(json.loads(p.read_text())["Instances"][0]["output"], list)
    }
    assert lists == {"task1", "task2", "task3", "task12", "task29"}
    assert isinstance(json.loads((root / "Explanation/task46_do_entity_explanation.json").read_text())["Definition"], str)


def test_letters_as_choices(tmp_path: Path) -> None:
    write(tmp_path, instances(("Question: Which?\nOptions: A: one\tB: two\tC: three", "The right answer is C: three")))
    (item,) = read(tmp_path, {**OPTIONS, "choices": "letters"}).items
    assert (item.choices, item.labels) == (("A", "B", "C"), ("C",))
    assert item.slots["options"] == ["one", "two", "three"]


def test_examples_come_from_a_training_file_where_there_is_one(tmp_path: Path) -> None:
    write(tmp_path, instances(("q0", "a"), ("q1", "b"), ("t2", "c")))
    before = read(tmp_path, OPTIONS)
    write(tmp_path, instances(*[(f"t{i}", f"x{i}") for i in range(4)]), place="examples/NER")
    dataset = read(tmp_path, OPTIONS)
    assert len(dataset.items) == 3
    assert dataset.digest() != before.digest()
    clean, leaky = FewshotSpec(k=3), FewshotSpec(k=3, leaky=True)
    drawn = draw_examples(example_pool(dataset, clean), dataset.items[2], clean, "t", 0)
    assert sorted(example["input"] for example in drawn) == ["t0", "t1", "t3"]  # t2 is the question itself
    drawn = draw_examples(example_pool(dataset, leaky), dataset.items[2], leaky, "t", 0)
    assert sorted(example["input"] for example in drawn) == ["q0", "q1", "t2"]
