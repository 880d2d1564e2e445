"""The transformers backend on tiny random checkpoints, in float32 on the processor."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.models import ChoiceRequest, Message, Model, Request
from ehrbench.models.capabilities import LikelihoodRequest
from ehrbench.models.hf.model import HFModel
from ehrbench.models.hf.model import load as load_any
from tests.support.libraries import torch, transformers
from tests.tiny.models import save_tokenizer, tiny_llama

pytestmark = pytest.mark.hf

QUESTIONS = [
    "What is the most recent sodium?",
    "Was the patient admitted with pneumonia? Answer yes or no.",
    "List the discharge medications.",
    "Hi",
    "The patient denies shortness of breath. " * 12 + "Summarise.",
    "Does she take warfarin?\n\nÉcrivez: naïve café 日本",
]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)  # the models are tiny, and tests run side by side


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {
        name: tiny_llama(root / name, name, context=2048, seed=seed, eos_scale=1.5)
        for seed, name in enumerate(("llama3", "chatml", "llama2"))
    }


def load(name: str, args: dict[str, str], max_model_len: int | None) -> HFModel:
    model = load_any(name, args, max_model_len)
    assert isinstance(model, HFModel)
    return model


def requests(max_tokens: int = 24, **options: Any) -> list[Request]:
    return [Request(f"item {i}", (Message("user", text),), max_tokens, **options) for i, text in enumerate(QUESTIONS)]


def answers(model: HFModel, asked: list[Request]) -> dict[str, tuple[str, str, int | None]]:
    found = {r.id: (r.text, r.finish, r.answer_tokens) for r in model.generate(asked)}
    assert set(found) == {request.id for request in asked}
    assert all(finish in ("stop", "length") for _, finish, _ in found.values())
    return found


def reference(folder: Path, max_tokens: int, **arguments: Any) -> list[tuple[str, bool, int]]:
    """What transformers itself says to each question, one by one: text, ended, number of tokens."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    eos = model.generation_config.eos_token_id
    eos = [eos] if isinstance(eos, int) else eos
    found = []
    for text in QUESTIONS:
        chat = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_tensors="pt", return_dict=True, **arguments
        )
        out = model.generate(
            **chat, do_sample=False, temperature=None, top_p=None, top_k=None, repetition_penalty=1.0, max_new_tokens=max_tokens
        )
        new = out[0, chat["input_ids"].shape[1] :].tolist()
        found.append((tokenizer.decode(new, skip_special_tokens=True), new[-1] in eos, len(new)))
    return found


@pytest.mark.parametrize("name", ["llama3", "chatml", "llama2"])
def test_greedy_answers_equal_generate_whatever_the_batch(checkpoints: dict[str, Path], name: str) -> None:
    args = {"thinking": "off"} if name == "chatml" else {}
    expected = reference(checkpoints[name], 24, **({"enable_thinking": False} if args else {}))
    assert len({text for text, _, _ in expected}) == len(QUESTIONS), "the tiny model answers everything alike"
    for size in ("1", "2", "6", "auto"):
        found = answers(load(str(checkpoints[name]), {**args, "batch_size": size}, None), requests())
        for i, (text, ended, n) in enumerate(expected):
            assert found[f"item {i}"] == (text, "stop" if ended else "length", n)


def test_some_tiny_answers_stop_and_some_do_not(checkpoints: dict[str, Path]) -> None:
    """Otherwise the test above would not see how either is told."""
    finishes = {f for name in checkpoints for _, f, _ in answers(load(str(checkpoints[name]), {}, None), requests(60)).values()}
    assert {"stop", "length"} <= finishes


def test_longest_prompts_come_first_and_batches_are_yielded_as_they_finish(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama3"]), {"batch_size": "1"}, None)
    sizes = [response.prompt_tokens or 0 for response in model.generate(requests())]
    assert sizes == sorted(sizes, reverse=True)
    first = next(iter(model.generate(requests())))
    assert first.id == "item 4"


def test_rows_of_a_batch_have_their_own_limits(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama3"]), {}, None)
    asked = [Request(f"{n}", (Message("user", QUESTIONS[0]),), n) for n in (1, 5, 12)]
    found = answers(model, asked)
    whole = found["12"][0]
    for n in (1, 5):
        assert found[str(n)][2] == n
        assert whole.startswith(found[str(n)][0].rstrip("\ufffd"))


def test_the_checkpoints_sampling_settings_do_not_leak(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    saved = json.loads((checkpoints["llama3"] / "generation_config.json").read_text())
    assert saved["do_sample"] and saved["repetition_penalty"] == 1.3
    plain = tiny_llama(tmp_path / "m", "llama3", context=2048, seed=0, eos_scale=1.5)
    (plain / "generation_config.json").write_text(json.dumps({"eos_token_id": saved["eos_token_id"]}))
    model = load(str(checkpoints["llama3"]), {}, None)
    assert answers(model, requests()) == answers(load(str(plain), {}, None), requests())
    assert model.identity.settings["checkpoint_sampling_settings"] == "ignored"


def test_sampling_follows_its_seed_and_not_the_batch(checkpoints: dict[str, Path]) -> None:
    asked = requests(temperature=1.0, seed=7)
    alone = answers(load(str(checkpoints["llama3"]), {"batch_size": "1"}, None), asked)
    model = load(str(checkpoints["llama3"]), {}, None)
    assert answers(model, asked) == alone
    assert answers(model, requests(temperature=1.0, seed=8)) != alone
    assert answers(model, requests(temperature=1.0, top_p=1e-6, seed=8)) == answers(model, requests())
    unseeded = requests(temperature=1.0)
    assert answers(model, unseeded) == answers(model, unseeded)


def test_greedy_and_sampled_rows_share_a_batch(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama3"]), {}, None)
    mixed = [a if i % 2 else b for i, (a, b) in enumerate(zip(requests(), requests(temperature=1.0, seed=3), strict=True))]
    found, greedy, drawn = answers(model, mixed), answers(model, requests()), answers(model, requests(temperature=1.0, seed=3))
    assert all(found[f"item {i}"] == (greedy if i % 2 else drawn)[f"item {i}"] for i in range(len(QUESTIONS)))


def test_draws_follow_the_distribution(checkpoints: dict[str, Path]) -> None:
    """Frequencies of the first token over many seeds against the probabilities, to within four standard errors."""
    from ehrbench.models.hf.steps import Draw

    class Row:
        max_tokens = 1
        temperature = 0.5
        top_p = 0.9

        def __init__(self, seed: int) -> None:
            self.seed = seed

    logits = torch.tensor([[1.0, 0.5, 0.0, -2.0]]).repeat(4000, 1)
    drawn = Draw([Row(i) for i in range(4000)], 3, "cpu")(torch.zeros(4000, 3), logits).argmax(-1)  # type: ignore[misc]
    weights = [math.exp(2.0), math.exp(1.0)]  # shares 0.664, 0.244, 0.090, 0.002: two make 0.9
    for token, weight in enumerate(weights):
        p = weight / sum(weights)
        assert abs((drawn == token).float().mean().item() - p) < 4 * math.sqrt(p * (1 - p) / 4000)
    assert set(drawn.tolist()) == set(range(len(weights)))


def test_stop_strings_end_the_answer_and_are_not_part_of_it(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama3"]), {}, None)
    plain = answers(model, requests())
    stop = {name: text[len(text) // 2 :][:3] for name, (text, _, _) in plain.items() if len(text) > 8}
    for name, word in stop.items():
        found = answers(model, requests(stop=(word, "never said")))[name]
        assert found[0] == plain[name][0].partition(word)[0]
        assert found[1] == "stop"
        assert found[2] is not None and found[2] <= (plain[name][2] or 0)


def test_overflow_is_said_and_nothing_is_cut(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama3"]), {}, 64)
    assert model.context_length == 64
    size = model.tokenizer.count(model.prompt_text((Message("user", QUESTIONS[0]),)))
    fits = Request("fits", (Message("user", QUESTIONS[0]),), 64 - size)
    over = Request("over", (Message("user", QUESTIONS[0]),), 65 - size)
    found = {r.id: r for r in model.generate([fits, over])}
    assert found["fits"].finish in ("stop", "length") and found["fits"].prompt_tokens == size
    assert (found["over"].finish, found["over"].text, found["over"].prompt_tokens) == ("overflow", "", size)
    asked = ChoiceRequest("c", (Message("user", "long " * 80),), (("yes",), ("no",)))
    assert next(iter(model.choice_probabilities([asked]))).finish == "overflow"


def test_one_bad_item_never_costs_the_batch(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama2"]), {}, None)
    bad = Request("bad", (Message("user", "a"), Message("user", "b")), 4)  # the template wants turns to alternate
    found = {r.id: r for r in model.generate([*requests(4), bad])}
    assert found["bad"].finish == "error" and found["bad"].error == "TemplateError" and found["bad"].text == ""
    assert all(r.finish in ("stop", "length") for name, r in found.items() if name != "bad")


def test_a_batch_that_fails_or_does_not_fit_is_cut(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(str(checkpoints["llama3"]), {}, None)
    expected = answers(model, requests())
    plain, sizes = model._engine.generate, []
    poisoned = model.tokenizer.count(model.prompt_text((Message("user", QUESTIONS[3]),)))

    def faulty(rows: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if any(len(row.ids) == poisoned for row in rows):
            raise RuntimeError("poisoned")
        return plain(rows)

    monkeypatch.setattr(model._engine, "generate", faulty)
    found = {r.id: r for r in model.generate(requests())}
    assert sizes[:2] == [6, 3]
    assert next(iter(model.generate(requests()))).finish != "error" and sizes[-1] <= 3, "the smaller batch is remembered"
    assert found["item 3"].finish == "error" and found["item 3"].error == "RuntimeError"
    for name, (text, finish, n) in expected.items():
        if name != "item 3":
            assert (found[name].text, found[name].finish, found[name].answer_tokens) == (text, finish, n)


# ---------------------------------------------------------------- thinking


def say(model: HFModel, text: str, *, ended: bool = True) -> None:
    """Make the engine answer every row with given text, cut at the row's limit."""
    from ehrbench.models.hf.rows import Generated

    ids = model.tokenizer.ids(text)
    model._engine.generate = (
        lambda rows: [  # type: ignore[method-assign]
            Generated(ids[: row.max_tokens], ended and len(ids) < row.max_tokens) for row in rows
        ]
    )


def test_thinking_is_split_and_has_its_own_allowance(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["chatml"]), {"thinking": "on"}, None)
    asked = [Request("a", (Message("user", "q"),), 6, max_reasoning_tokens=30)]
    say(model, "<think>\nLow sodium.\n</think>\n\nyes")
    response = next(iter(model.generate(asked)))
    assert (response.text, response.reasoning, response.finish) == ("yes", "Low sodium.", "stop")
    assert response.answer_tokens == model.tokenizer.count("yes")
    total = model.tokenizer.count("<think>\nLow sodium.\n</think>\n\nyes") + 1
    assert response.reasoning_tokens == total - response.answer_tokens

    say(model, "<think>\n" + "Low sodium. " * 40)
    response = next(iter(model.generate(asked)))
    assert (response.text, response.finish, response.answer_tokens, response.reasoning_tokens) == ("", "reasoning_length", 0, 36)

    say(model, "<think>x</think>yes yes yes yes yes yes yes yes yes yes", ended=False)
    response = next(iter(model.generate(asked)))
    assert response.finish == "length"
    assert model.tokenizer.count(response.text) == 6


def test_thinking_off_gets_no_allowance_and_still_loses_its_tags(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["chatml"]), {"thinking": "off"}, None)
    assert model.prompt_text((Message("user", "q"),)).endswith("<think>\n\n</think>\n\n")
    asked = [Request("a", (Message("user", "q"),), 12, max_reasoning_tokens=30)]
    say(model, "<think>no</think>yes")
    assert next(iter(model.generate(asked))).text == "yes"
    say(model, "<think>" + "why " * 40)
    response = next(iter(model.generate(asked)))
    assert (response.finish, response.reasoning_tokens) == ("reasoning_length", 12)


def test_a_stop_string_in_the_thinking_does_not_end_it(checkpoints: dict[str, Path]) -> None:
    from ehrbench.models.answers import stop_rule

    model = load(str(checkpoints["chatml"]), {"thinking": "on"}, None)
    rule = stop_rule(model._chat, ("\n\n",))
    ids = model.tokenizer.ids
    assert not rule(ids("<think>a\n\nb"))
    assert not rule(ids("<think>a\n\nb</think>\n\n"))
    assert not rule(ids("<think>a\n\nb</think>\n\nyes"))
    assert rule(ids("<think>a\n\nb</think>\n\nyes\n\n"))


# ---------------------------------------------------------------- choices

YES_NO = (("yes", " yes", "Yes"), ("no", " no", "No"))


def choice_requests(choices: tuple[tuple[str, ...], ...] = YES_NO) -> list[ChoiceRequest]:
    return [ChoiceRequest(f"item {i}", (Message("user", text),), choices) for i, text in enumerate(QUESTIONS)]


def by_hand(folder: Path, text: str, choices: tuple[tuple[str, ...], ...]) -> list[float]:
    """P of each choice: the softmax behind the prompt, summed over the distinct first tokens of the spellings."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    p = model(torch.tensor([ids])).logits[0, -1].double().softmax(-1)
    firsts = [{tokenizer(prompt + word, add_special_tokens=False)["input_ids"][len(ids)] for word in words} for words in choices]
    return [sum(p[token].item() for token in tokens) for tokens in firsts]


@pytest.mark.parametrize("name", ["llama3", "llama2"])
def test_choice_probabilities_by_hand_whatever_the_batch(checkpoints: dict[str, Path], name: str) -> None:
    batched = {r.id: r for r in load(str(checkpoints[name]), {}, None).choice_probabilities(choice_requests())}
    single = {r.id: r for r in load(str(checkpoints[name]), {"batch_size": "1"}, None).choice_probabilities(choice_requests())}
    for i, text in enumerate(QUESTIONS):
        found = batched[f"item {i}"]
        expected = by_hand(checkpoints[name], text, YES_NO)
        assert found.probabilities == pytest.approx([p / sum(expected) for p in expected], abs=1e-5)
        assert found.mass == pytest.approx(sum(expected), rel=1e-3)
        assert sum(found.probabilities) == pytest.approx(1)
        assert found.probabilities == pytest.approx(single[f"item {i}"].probabilities, abs=1e-5)


def test_spellings_are_tokenised_behind_the_prompt(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama2"]), {}, None)
    text = model._chat.answer_text((Message("user", "q"),))
    spellings = model._spellings.read(text, (("yes",), ("no",)))
    alone = model.tokenizer.ids("yes")
    assert not model.tokenizer.backend.id_to_token(spellings.sequences[0][0][0]).startswith("▁")
    assert list(spellings.sequences[0][0]) != alone, "alone, a metaspace tokenizer puts a space before the first word"
    assert not spellings.collide


def test_choices_that_share_their_first_token_are_scored_whole(checkpoints: dict[str, Path]) -> None:
    choices = (("no",), ("notable", "Q"), ("yes",))
    folder = checkpoints["llama3"]
    model = load(str(folder), {}, None)
    text = model.prompt_text((Message("user", QUESTIONS[0]),))
    spellings = model._spellings.read(text, choices)
    assert spellings.collide
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    prompt, expected = model.tokenizer.ids(text), []
    for choice in spellings.sequences:
        total = 0.0
        for ending in choice:
            logits = theirs(torch.tensor([[*prompt, *ending]])).logits[0].double().log_softmax(-1)
            total += math.exp(sum(logits[len(prompt) + k - 1, token].item() for k, token in enumerate(ending)))
        expected.append(total)
    found = {r.id: r for r in model.choice_probabilities(choice_requests(choices))}
    assert found["item 0"].probabilities == pytest.approx([p / sum(expected) for p in expected], abs=1e-5)
    single = {r.id: r for r in load(str(folder), {"batch_size": "1"}, None).choice_probabilities(choice_requests(choices))}
    for name, response in found.items():
        assert response.probabilities == pytest.approx(single[name].probabilities, abs=1e-5)


def test_whole_spellings_are_scored_where_they_are_asked_for(checkpoints: dict[str, Path]) -> None:
    choices = ((" maybe",), (" undecided",))
    model = load(str(checkpoints["llama3"]), {"chat_template": "none"}, None)
    request = ChoiceRequest("item", (Message("user", QUESTIONS[0]),), choices)
    pairs = tuple((QUESTIONS[0], spelling) for (spelling,) in choices)
    (likely,) = model.log_likelihoods([LikelihoodRequest("item", pairs)])
    odds = math.exp(likely.likelihoods[0].value - likely.likelihoods[1].value)
    (whole,) = model.choice_probabilities([replace(request, whole=True)])
    assert whole.probabilities == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], abs=1e-5)
    (first,) = model.choice_probabilities([request])
    assert first.probabilities != pytest.approx(whole.probabilities, abs=1e-3)


def test_choices_are_read_with_thinking_off(checkpoints: dict[str, Path]) -> None:
    on = load(str(checkpoints["chatml"]), {"thinking": "on"}, None)
    off = load(str(checkpoints["chatml"]), {"thinking": "off"}, None)
    a, b = ({r.id: r.probabilities for r in model.choice_probabilities(choice_requests())} for model in (on, off))
    assert a == b


def test_a_choice_without_a_token_is_that_items_error(checkpoints: dict[str, Path]) -> None:
    asked = [ChoiceRequest("bad", (Message("user", "q"),), (("",), ("no",))), *choice_requests()]
    found = {r.id: r for r in load(str(checkpoints["llama3"]), {}, None).choice_probabilities(asked)}
    assert found["bad"].finish == "error" and found["bad"].probabilities == ()
    assert all(found[f"item {i}"].finish == "stop" for i in range(len(QUESTIONS)))


# ---------------------------------------------------------------- loading


def test_it_is_a_model(checkpoints: dict[str, Path]) -> None:
    model: Model = load(str(checkpoints["llama3"]), {}, None)
    assert (model.identity.name, model.identity.backend) == ("llama3", "hf")
    assert model.context_length == 2048 and not model.is_remote and not model.streaming and model.endpoint is None
    assert model.tokenizer is not None and model.tokenizer.name == "llama3"
    assert set(model.identity.versions) == {"torch", "transformers", "tokenizers"}
    assert json.loads(json.dumps(dict(model.identity.settings)))["dtype"] == "float32"
    assert list(model.generate([])) == [] and list(model.choice_probabilities([])) == []
    model.close()


def test_weights_are_read_late_and_can_be_freed(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama3"]), {}, None)
    assert "_engine" not in vars(model)
    before = answers(model, requests(4))
    model.close()
    assert "_engine" not in vars(model)
    assert answers(model, requests(4)) == before


def test_identity_follows_weights_and_tokenizer(tmp_path: Path) -> None:
    a = tiny_llama(tmp_path / "a", seed=1)
    b = tiny_llama(tmp_path / "b", seed=1)
    c = tiny_llama(tmp_path / "c", seed=2)
    revisions = [load(str(folder), {}, None).identity.revision for folder in (a, b, c)]
    assert revisions[0] == revisions[1] != revisions[2]
    settings = load(str(a), {}, None).identity.settings
    assert settings != load(str(a), {"dtype": "bfloat16"}, None).identity.settings
    assert settings != load(str(a), {"chat_template": "none"}, None).identity.settings
    assert settings == load(str(a), {"batch_size": "3"}, None).identity.settings


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"dtyp": "x"}, "did you mean 'dtype'"),
        ({"dtype": "int3"}, "dtype=int3: expected one of"),
        ({"batch_size": "0"}, "batch_size=0"),
        ({"thinking": "on"}, "no thinking switch"),
        ({"chat_template_kwargs": "[1]"}, "JSON object"),
        ({"chat_template": "/nowhere.jinja"}, "no such file"),
    ],
)
def test_bad_arguments_are_one_sentence(checkpoints: dict[str, Path], args: dict[str, str], message: str) -> None:
    with pytest.raises((UsageError, MissingError), match=message):
        load(str(checkpoints["llama3"]), args, None)


def test_a_missing_accelerate_is_named(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ehrbench.models.hf.model.find_spec", lambda name: None if name == "accelerate" else True)
    with pytest.raises(MissingError, match="pip install accelerate"):
        load(str(checkpoints["llama3"]), {"device_map": "auto"}, None)


def test_what_is_not_a_checkpoint_is_named(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="more than the 2048 tokens"):
        load(str(checkpoints["llama3"]), {}, 4096)
    folder = save_tokenizer(tmp_path / "m")
    with pytest.raises(MissingError, match=r"no config\.json"):
        load(str(folder), {}, None)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(MissingError, match="adapter without its base model"):
        load(str(folder), {}, None)
    (folder / "config.json").write_text("{}")
    with pytest.raises(MissingError, match="no weights"):
        load(str(folder), {}, None)
    (folder / "model-00001-of-00002.safetensors").write_text("x")
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})
    )
    with pytest.raises(MissingError, match="lacks 1 of its weight files"):
        load(str(folder), {}, None)


def test_weights_that_cannot_be_loaded_are_one_sentence_not_an_items_error(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"not weights")
    for args in ({}, {"batch_size": "2"}):
        with pytest.raises(MissingError, match=r"model.safetensors has no safetensors header: the copy is not complete"):
            load(str(folder), args, None)


def test_missing_packages_are_named_with_the_install_line(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ehrbench.models.hf.model.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"torch and transformers.*pip install 'ehrbench\[hf\]'"):
        load(str(checkpoints["llama3"]), {}, None)


def test_base_model_prompt(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "m", "llama2", chat_template=False)
    model = load(str(folder), {}, None)
    assert model.prompt_text((Message("system", "a"), Message("user", "b"))) == "<s>a\nb"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    found = next(iter(model.generate([Request("x", (Message("user", "sodium"),), 3)])))
    assert found.prompt_tokens == len(tokenizer("sodium")["input_ids"])


def test_prompt_suffix(checkpoints: dict[str, Path]) -> None:
    model = load(str(checkpoints["llama3"]), {"prompt_suffix": "<think>\\n\\n</think>\\n"}, None)
    assert model.prompt_text((Message("user", "b"),)).endswith("<|end_header_id|>\n\n<think>\n\n</think>\n")
