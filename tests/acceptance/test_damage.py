"""Damaged checkpoints, one row each: what is wrong, how the command ends, and what it says. None ends in a number in silence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ehrbench import cli
from ehrbench.errors import UsageError
from ehrbench.models import ChoiceRequest, Message, Request
from ehrbench.models.finite import NOT_A_NUMBER
from ehrbench.models.hf.coverage import require_loadable
from ehrbench.models.hf.tokenizer import load_tokenizer
from ehrbench.models.loading import load_model
from tests.support.libraries import torch
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.hf

POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
)


class Ended(NamedTuple):
    code: int
    errors: str
    out: str
    results: list[dict[str, Any]]


Run = Callable[..., Ended]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run three items of a task on the sample in this process, as the command line does."""

    def run(model: str, *more: str, tasks: str = "medalign", limit: int = 3) -> Ended:
        out = tmp_path / "out"
        arguments = ["run", "--model", model, "--tasks", tasks, "--data-dir", "sample", "--limit", str(limit), "--quiet"]
        window = [] if "--max-model-len" in more else ["--max-model-len", "768"]
        metrics = ["--metrics", "rouge_l"] if tasks == "medalign" else []
        short = ["--max-tokens", "8", *window, *metrics, "--out", str(out)]
        monkeypatch.setattr("sys.argv", ["ehrbench", *arguments, *short, *more])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code
        said = capsys.readouterr()
        results = [json.loads(path.read_text()) for path in sorted(out.rglob("result.json"))]
        return Ended(int(code or 0), said.err, said.out, results)

    return run


def weights(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a checkpoint's tensors."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def settings(folder: Path, **changes: Any) -> None:
    """Change a checkpoint's configuration."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def without_head(folder: Path) -> None:
    weights(folder, lambda tensors: tensors.pop("lm_head.weight"))


def tied_without_head(folder: Path) -> None:
    without_head(folder)
    settings(folder, tie_word_embeddings=True)


def without_a_layer(folder: Path) -> None:
    weights(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if ".layers.1." in name])


def of_another_width(folder: Path) -> None:
    settings(folder, intermediate_size=96)


def of_a_smaller_model(folder: Path) -> None:
    settings(folder, num_hidden_layers=1)


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def pointer_for_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_text(POINTER + "size 4976698672\n")


def pointer_for_configuration(folder: Path) -> None:
    (folder / "config.json").write_text(POINTER + "size 654\n")


def pointer_for_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(POINTER + "size 9085657\n")


def torn_pickle(folder: Path) -> None:
    path = folder / "pytorch_model.bin"
    torch.save({"x": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-600])
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "code", "message"),
    [
        (without_head, 2, r"lack 1 of the model's weights \(lm_head.weight\), which would be random"),
        (tied_without_head, 0, ""),
        (without_a_layer, 2, r"lack 9 of the model's weights \(model.layers.1.input_layernorm.weight, "),
        (of_another_width, 2, r"6 weights in .* have another shape than config.json says \(model.layers.0.mlp.down_proj"),
        (of_a_smaller_model, 0, r"9 weights in .* have no place in the model that its config.json describes \(model.layers.1."),
        (cut_short, 3, r"model.safetensors has [\d,]+ of its [\d,]+ bytes: the copy is not complete"),
        (pointer_for_weights, 3, r"model.safetensors is a Git LFS pointer of \d+ bytes, not the weights: run `git lfs pull`"),
        (pointer_for_configuration, 3, r"config.json is a Git LFS pointer"),
        (pointer_for_tokenizer, 3, r"tokenizer.json is a Git LFS pointer"),
        (torn_pickle, 3, r"pytorch_model.bin ends after [\d,]+ bytes, before its table of contents"),
    ],
)
def test_damaged_files(
    damage: Callable[[Path], None], code: int, message: str, tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny_llama(tmp_path / "m")
    damage(folder)
    ended = run(f"hf:{folder}")
    assert ended.code == code, ended.errors
    assert re.search(message, ended.errors + caplog.text), ended.errors
    assert bool(ended.results) is (code == 0), "a refused checkpoint leaves no number"


@pytest.mark.parametrize(
    ("missing", "code", "message"),
    [
        ("transformer.layer.1.ffn.lin1.weight", 5, r"lack 1 of the model's weights \(transformer.layer.1.ffn.lin1.weight\)"),
        ("transformer.layer.3.ffn.lin1.weight", 0, ""),  # above the layer whose states are taken
    ],
)
def test_an_encoder_without_a_weight_gives_no_score(missing: str, code: int, message: str, tmp_path: Path, run: Run) -> None:
    from tests.tiny.encoders import tiny_distilbert

    folder = tiny_distilbert(tmp_path / "encoder")
    weights(folder, lambda tensors: tensors.pop(missing))
    arguments = ("--metric-arg", f"bertscore.checkpoint={folder}", "--metric-arg", "bertscore.layer=2")
    ended = run("baseline:newest", "--budget-tokenizer", "words", "--metrics", "bertscore,rouge_l", *arguments)
    assert ended.code == code, ended.errors
    assert re.search(message, ended.errors), ended.errors
    found = {metric["name"]: metric["value"] for metric in ended.results[0]["metrics"]}
    assert found["rouge_l"] is not None
    assert (found["bertscore"] is None) is (code == 5)


def with_nan_everywhere(folder: Path) -> None:
    weights(folder, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))


def with_one_nan(folder: Path) -> None:
    weights(folder, lambda tensors: tensors["model.layers.0.mlp.down_proj.weight"].__setitem__((3, 5), float("nan")))


def overflowing(folder: Path) -> None:
    weights(folder, lambda tensors: tensors["model.layers.1.mlp.down_proj.weight"].mul_(60_000.0))


@pytest.mark.parametrize("task", ["medalign", "ehr_bench.risk.Inpatient_Mortality", "meds_likelihood.medqa"])
@pytest.mark.parametrize(
    ("damage", "arguments"),
    [(with_nan_everywhere, ()), (with_one_nan, ()), (overflowing, ("--model-arg", "dtype=float16"))],
)
def test_a_model_that_gives_no_numbers_stops(
    damage: Callable[[Path], None], arguments: tuple[str, ...], task: str, tmp_path: Path, run: Run
) -> None:
    folder = tiny_llama(tmp_path / "m", context=4096)
    damage(folder)
    ended = run(f"hf:{folder}", *arguments, tasks=task)
    assert ended.code == 2, ended.errors
    assert "all 3 items failed in the same way: the model's output is not a number" in ended.errors
    assert not ended.results
    outcomes = {row["outcome"] for path in tmp_path.rglob("predictions.jsonl") for row in map(json.loads, path.open())}
    assert outcomes == {"api_error"}


def test_a_token_for_which_there_are_no_weights_is_refused(tmp_path: Path, run: Run) -> None:
    folder = tiny_llama(tmp_path / "m")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token": "<|the_end|>"}))
    ended = run(f"hf:{folder}")
    assert ended.code == 2 and not ended.results
    assert re.search(
        r"names <\|the_end\|> as its eos_token, which has the id \d+, and the model's vocabulary ends at", ended.errors
    )


@pytest.mark.parametrize(
    ("changes", "arguments", "code", "message"),
    [
        ({}, ("--max-model-len", "9000"), 2, r"more than the 4096 tokens .* \(max_position_embeddings in config.json\)"),
        ({}, ("--max-model-len", "9000", "--model-arg", "window=9000"), 0, r"window 9,000 tokens \(--model-arg window\)"),
        (
            {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}},
            ("--max-model-len", "9000"),
            0,
            r"window 9,000 of 16,384 tokens \(max_position_embeddings in config.json, stretched to 4 × 4096",
        ),
    ],
)
def test_windows(changes: dict[str, Any], arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, run: Run) -> None:
    folder = tiny_llama(tmp_path / "m", context=4096)
    settings(folder, **changes)
    ended = run(f"hf:{folder}", *arguments, "--dry-run")
    assert ended.code == code, ended.errors
    assert re.search(message, ended.errors), ended.errors


@pytest.mark.parametrize(
    ("template", "arguments", "stops", "message"),
    [
        (False, (), ["\nInstruction:", "\nEHR:", "\nQuestion:"], "no chat template: a base model, given the task's text alone"),
        (False, ("--stop", "\\n\\n", "--stop", "END"), ["\n\n", "END"], "no chat template"),
        (False, ("--stop", ""), [], "no chat template"),
        (False, ("--protocol", "paper"), [], "no chat template"),
        (True, (), [], "chat template of the checkpoint"),
    ],
)
def test_where_an_answer_ends_and_whose_template_is_used(
    template: bool, arguments: tuple[str, ...], stops: list[str], message: str, tmp_path: Path, run: Run
) -> None:
    folder = tiny_llama(tmp_path / "m", chat_template=template)
    ended = run(f"hf:{folder}", *arguments, "--no-score", limit=1)
    assert ended.code == 0, ended.errors
    assert message in ended.errors
    (manifest,) = tmp_path.rglob("manifest.json")
    assert json.loads(manifest.read_text())["config"]["generation"]["stop"] == stops


def test_an_answer_that_begins_as_a_thought_is_counted_and_shown(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "made.jsonl"
    answers = {"item": "x", "answer": "<inner_thought>the sodium is low, so"}
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.tasks.catalog import load_catalog

    (task,) = load_catalog(()).select("medalign", "clean")
    items = [item.id for item in open_dataset(task, "sample").items[:3]]
    folder.write_text("".join(json.dumps({**answers, "item": item}) + "\n" for item in items))
    ended = run(f"replay:{folder}", "--budget-tokenizer", "words")
    assert ended.code == 0, ended.errors
    assert ended.results[0]["answers"]["doubts"] == {"thinking_tags": 3}
    assert "caution: 3 of 3 items are doubtful: the answer begins as a thought does" in ended.out


def test_a_prompt_with_a_token_that_has_no_weights_fails_its_item(tmp_path: Path, run: Run) -> None:
    folder = tiny_llama(tmp_path / "m", chat_template="{{ messages[-1].content }}<|cue|>")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "additional_special_tokens": ["<|cue|>"]}))
    ended = run(f"hf:{folder}", limit=1)
    assert ended.code == 5, ended.errors
    assert re.search(r"token \d+ of the prompt is not in the model's vocabulary, which ends at \d+", ended.errors)


@pytest.mark.parametrize(("damage", "message"), [(without_a_layer, "lack 9 of the model's weights"), (tied_without_head, "")])
def test_engines_that_do_not_ask_are_asked_for(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    """lm-eval's own model class loads a checkpoint as transformers does by itself, and vLLM does not miss the output layer."""
    folder = tiny_llama(tmp_path / "m")
    damage(folder)
    if not message:
        require_loadable(folder)
        return
    with pytest.raises(UsageError, match=message):
        require_loadable(folder)


def test_one_item_without_numbers_leaves_the_others_theirs(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "m")
    ask = [Request(text, (Message("user", text),), 6) for text in ("Is the sodium low?", "Was it zzz?")]
    choose = [ChoiceRequest(r.id, r.messages, (("yes",), ("no",))) for r in ask]
    before = {r.id: r.text for r in load_model(f"hf:{folder}", {}, None).generate(ask)}
    tokenizer = load_tokenizer(str(folder))
    only = min(set(tokenizer.ids("Was it zzz?")) - set(tokenizer.ids("Was it ?Is the sodium low?")))
    weights(folder, lambda tensors: tensors["model.embed_tokens.weight"].__setitem__(only, float("nan")))
    model = load_model(f"hf:{folder}", {}, None)
    found = {r.id: r for r in model.generate(ask)}
    assert found[ask[0].id].text == before[ask[0].id]
    assert (found[ask[1].id].finish, found[ask[1].id].error) == ("error", NOT_A_NUMBER)
    chosen = {r.id: r for r in model.choice_probabilities(choose)}
    assert sum(chosen[ask[0].id].probabilities) == pytest.approx(1)
    assert (chosen[ask[1].id].finish, chosen[ask[1].id].error) == ("error", NOT_A_NUMBER)


def test_a_missing_output_layer_is_noticed_by_its_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ehrbench.models.hf.coverage.find_spec", lambda name: None)
    folder = tiny_llama(tmp_path / "m")
    require_loadable(folder)
    without_head(folder)
    with pytest.raises(UsageError, match=r"lack 1 of the model's weights \(lm_head.weight\)"):
        require_loadable(folder)
    settings(folder, tie_word_embeddings=True)
    require_loadable(folder)
