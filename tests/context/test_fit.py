"""Acceptance 5 as properties: a prompt and its reserve never exceed a window, only the record is cut, nothing is dropped."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ehrbench.context import Frame, Limit, Overflow, Window
from ehrbench.context.chain import fit
from ehrbench.context.fitted import Span, entry_pieces
from ehrbench.context.retrieve import joined, merged
from ehrbench.errors import UsageError
from ehrbench.models.protocol import Tokenizer
from ehrbench.records.record import Entry, Record
from ehrbench.tasks.schema import RecordSpec
from tests.context.texts import texts, tokenizer

SLOW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
PAIRS = (("llama3",), ("llama2",), ("wordpiece",), ("words",), ("llama2", "chatml"), ("wordpiece", "llama3"))
"""Budget tokenizer and, where there are two, the model's own."""
NEW_YEAR = datetime(2150, 1, 1)


def window(names: tuple[str, ...], tokens: int, reserve: int = 16, answer_tokens: int = 8) -> Window:
    limits = tuple(Limit(tokens, reserve, tokenizer(name)) for name in names)
    return Window(limits, tokenizer(names[0]), answer_tokens)


def lines_of(text: str) -> Record:
    """A record whose entries are its lines, a day each."""
    entries, offset = [], 0
    for i, line in enumerate(text.splitlines(keepends=True)):
        entries.append(Entry(offset, offset + len(line.rstrip("\n")), NEW_YEAR + timedelta(days=i % 3000), "line"))
        offset += len(line)
    return Record("p1", text, entries)


def spec(context: str, **options: object) -> RecordSpec:
    return RecordSpec.model_validate({"context": context, **options})


def assert_fits(prompt: str, limits: Window) -> None:
    for limit in limits.limits:
        assert limit.tokenizer.count(prompt) + limit.reserve <= limit.tokens


def most_tokens(frame: Frame, text: str, counter: Tokenizer) -> int:
    """Tokens of a prompt, its joints counted as the costlier of closed and open.

    WordPiece makes one token of a word of more than 100 characters, so two words that meet at a joint may cost a hundred tokens
    less than they do apart; no cut can be held to such a windfall.
    """
    before, after = frame.before, frame.after
    ways = ((before + text + after,), (before + text, after), (before, text + after), (before, text, after))
    return max(sum(map(counter.count, way)) for way in ways)


FRAME = Frame("EHR: ", "\n\nQuestion: any statin?\n\nAnswer:")
texts_around = st.builds(Frame, texts(2, 3), texts(2, 3)) | st.just(FRAME)


@pytest.mark.parametrize("names", PAIRS)
@pytest.mark.parametrize("keep", ["end", "start"])
@pytest.mark.parametrize("tokens", [60, 100, 250, 900])
def test_truncation_between_entries(names, keep, tokens):
    """Whole lines stay, as many as fit; a line that alone is too long is cut like any text."""
    record = lines_of(
        "".join(f"2150-01-{day:02} 08:00, LAB RESULT: Sodium [50983] = {120 + day} mEq/L\n" for day in range(1, 28))
    )
    limits = window(names, tokens)
    anywhere = fit(record, FRAME, None, limits, spec("truncate", keep=keep), "").parts[0]
    whole = fit(record, FRAME, None, limits, spec("truncate", keep=keep, cut="entries"), "").parts[0]
    lines = [line for line in record.text.splitlines(keepends=True) if line in anywhere.text]
    assert whole.text == ("".join(lines) or anywhere.text)
    assert_fits(FRAME.before + whole.text + FRAME.after, limits)


@pytest.mark.parametrize("names", PAIRS)
@pytest.mark.parametrize("keep", ["end", "start"])
@given(data=st.data())
@SLOW
def test_truncation(names, keep, data):
    text, frame = data.draw(texts()), data.draw(texts_around)
    limits = window(names, data.draw(st.integers(1, 900)))
    record = lines_of(text)
    too_tight = any(limit.tokenizer.count(frame.before + frame.after) >= limit.room for limit in limits.limits)
    try:
        fitted = fit(record, frame, None, limits, spec("truncate", keep=keep), "any statin?")
    except Overflow as overflow:
        # Numbers only; and only where there is no room for so much as one character of the record.
        edge = (text[-1:] if keep == "end" else text[:1]) or ""
        whole_tokens = max(limit.tokenizer.count(frame.before + edge + frame.after) - limit.room for limit in limits.limits)
        assert too_tight or whole_tokens > -16, overflow
        assert overflow.window == limits.limits[0].tokens
        return
    (part,) = fitted.parts
    assert text.endswith(part.text) if keep == "end" else text.startswith(part.text)
    assert text[part.start : part.start + len(part.text)] == part.text
    assert_fits(frame.before + part.text + frame.after, limits)
    counter = tokenizer(names[0])
    assert fitted.total_tokens == counter.count(text)
    assert fitted.seen_tokens <= fitted.total_tokens
    if not fitted.cut:
        # What is gone, if anything, is white space that is no token.
        assert counter.count(text[: part.start] + text[part.start + len(part.text) :]) == 0
    assert fitted.tokenizer == counter.name
    if text:
        assert part.text
        if fitted.cut and len(names) == 1:
            # No more is cut than the joints between frame and record may cost.
            assert most_tokens(frame, part.text, counter) > limits.limits[0].room - 24


@pytest.mark.parametrize("names", PAIRS)
@given(data=st.data())
@SLOW
def test_refinement(names, data):
    text = data.draw(texts())
    frame, later = FRAME, Frame("Part 9999 of 9999. Question: any statin? Answer so far: -\nPart: ", "\nWrite only the answer.")
    limits = window(names, data.draw(st.integers(90, 900)))
    chunk_tokens = data.draw(st.sampled_from([1, 7, 64, 300, 30_000]))
    split = data.draw(st.sampled_from(["tokens", "entries"]))
    assume(len(text) < 2000 or chunk_tokens > 60)
    record = lines_of(text)
    try:
        fitted = fit(record, frame, later, limits, spec("refine", chunk_tokens=chunk_tokens, split=split), "any statin?")
    except Overflow:
        assert limits.limits[0].tokens < 400
        return
    parts = list(fitted.parts)
    assert "".join(part.text for part in parts) == text
    assert [part.start for part in parts] == [sum(len(p.text) for p in parts[:i]) for i in range(len(parts))]
    assert fitted.seen_tokens == fitted.total_tokens and not fitted.cut
    assert sum(part.tokens for part in parts) == fitted.total_tokens
    for i, part in enumerate(parts):
        assert part.text or not text
        assert part.tokens <= chunk_tokens or len(part.text) == 1
        if len(parts) == 1 or i == 0:
            assert_fits(frame.before + part.text + frame.after, limits)
        else:
            assert_fits(later.before + part.text + later.after, Window(tuple(Limit(n - 8, r, t) for n, r, t in limits.limits)))


@pytest.mark.parametrize("names", PAIRS)
@given(data=st.data())
@SLOW
def test_retrieval(names, data):
    text, frame = data.draw(texts()), data.draw(texts_around)
    limits = window(names, data.draw(st.integers(20, 900)))
    record = lines_of(text) if data.draw(st.booleans()) else Record("p1", text, [])
    try:
        fitted = fit(record, frame, None, limits, spec("retrieve"), data.draw(st.sampled_from(["sodium in month 3", "zzz", ""])))
    except Overflow:
        edge = max(limit.tokenizer.count(frame.before + frame.after) - limit.room for limit in limits.limits)
        assert edge > -24
        return
    (part,) = fitted.parts
    assert_fits(frame.before + part.text + frame.after, limits)
    assert fitted.seen_tokens == part.tokens <= fitted.total_tokens
    # What is shown stands in the record, in its order.
    position = 0
    for line in part.text.split("\n"):
        position = text.index(line, position)
    if not fitted.cut and names == ("llama3",):
        assert part.text == text


@given(data=st.data())
@SLOW
def test_full_is_all_or_overflow(data):
    text = data.draw(texts())
    limits = window(("llama3",), data.draw(st.integers(20, 3000)))
    fits = tokenizer("llama3").count(FRAME.before + text + FRAME.after) <= limits.limits[0].room
    try:
        fitted = fit(lines_of(text), FRAME, None, limits, spec("full"), "?")
    except Overflow as overflow:
        assert not fits
        assert overflow.record_tokens == tokenizer("llama3").count(text)
        return
    assert fits
    assert fitted.parts[0].text == text


def day(n: int, text: str) -> str:
    return f"2150-01-{n:02d} {text}\n"


@pytest.mark.parametrize("policy", ["truncate", "refine", "retrieve", "full"])
@pytest.mark.parametrize("name", ["llama3", "llama2", "wordpiece"])
def test_a_record_that_fits_exactly_is_whole_and_one_token_less_is_not(policy, name):
    text = "".join(day(n, "Sodium 128 mmol/L") for n in range(1, 29)) * 5
    counter = tokenizer(name)
    needed = counter.count(FRAME.before + text + FRAME.after)
    exact = fit(lines_of(text), FRAME, FRAME, window((name,), needed + 16), spec(policy), "?")
    assert [part.text for part in exact.parts] == [text]
    try:
        tight = fit(lines_of(text), FRAME, FRAME, window((name,), needed + 15), spec(policy), "?")
    except Overflow:
        assert policy == "full"
        return
    assert policy != "full"
    assert tight.cut == (policy != "refine")
    assert [part.text for part in tight.parts] != [text]


def test_the_kept_end_is_the_newest_and_says_since_when():
    text = "".join(day(n, "Sodium 128 mmol/L") for n in range(1, 29))
    record = lines_of(text)
    fitted = fit(record, FRAME, None, window(("words",), 16 + 12 + 50), spec("truncate"), "?")
    # Words: the frame has 9 tokens and each line 10 ("2150 - 01 - 01 Sodium 128 mmol / L"), so 60 of 69 remain.
    frame_tokens = tokenizer("words").count(FRAME.before + FRAME.after)
    kept = 16 + 12 + 50 - 16 - frame_tokens
    assert fitted.seen_tokens == kept
    assert fitted.total_tokens == 28 * 10
    assert text.endswith(fitted.parts[0].text)
    first = fitted.parts[0].start
    assert fitted.first_time == record.first_time(first)
    assert fitted.first_time is not None
    assert fitted.first_time > NEW_YEAR


@pytest.mark.parametrize("policy", ["truncate", "refine", "retrieve", "full"])
@pytest.mark.parametrize("text", ["", "x", "\n", "🩺", "\u0301", "{{ x }}"])
def test_tiny_records(policy, text):
    fitted = fit(lines_of(text), FRAME, FRAME, window(("llama3",), 1000), spec(policy), "?")
    assert [part.text for part in fitted.parts] == [text]
    assert not fitted.cut


@pytest.mark.parametrize("policy", ["truncate", "refine", "retrieve", "full"])
@pytest.mark.parametrize("text", ["", "x", "Sodium 128\n" * 400])
def test_a_window_smaller_than_the_prompt_is_an_overflow_with_numbers_only(policy, text):
    with pytest.raises(Overflow) as caught:
        fit(lines_of(text), FRAME, FRAME, window(("llama3",), 20), spec(policy), "?")
    assert caught.value.window == 20
    assert caught.value.reserve == 16
    assert caught.value.prompt_tokens > 4
    assert "statin" not in str(caught.value)
    assert "Sodium" not in str(caught.value)


def test_an_instruction_that_leaves_no_room_for_the_record_is_no_empty_prompt():
    needed = tokenizer("llama3").count(FRAME.before + FRAME.after)
    with pytest.raises(Overflow):
        fit(lines_of("Sodium 128\n" * 400), FRAME, None, window(("llama3",), needed + 16), spec("truncate"), "?")
    assert fit(lines_of(""), FRAME, None, window(("llama3",), needed + 16), spec("truncate"), "?").parts[0].text == ""


def test_both_windows_hold():
    """Section 2.4: a budget in another tokenizer's tokens; and the model's own window besides."""
    text = day(1, "Sodium 128 mmol/L") * 300
    llama3, words = tokenizer("llama3"), tokenizer("words")
    both = Window((Limit(400, 16, words), Limit(500, 16, llama3)), words)
    fitted = fit(lines_of(text), FRAME, None, both, spec("truncate"), "?")
    prompt = FRAME.before + fitted.parts[0].text + FRAME.after
    assert words.count(prompt) <= 384
    assert 460 < llama3.count(prompt) <= 484
    assert fitted.tokenizer == "words"
    assert fitted.total_tokens == words.count(text)


def test_without_a_window_and_a_tokenizer_the_record_is_whole_and_counted_in_words():
    text = day(1, "Sodium 128 mmol/L") * 300
    for policy in ("truncate", "refine", "retrieve", "full"):
        fitted = fit(lines_of(text), FRAME, FRAME, Window(), spec(policy), "?")
        assert [part.text for part in fitted.parts] == [text]
        assert (fitted.tokenizer, fitted.total_tokens, fitted.seen_tokens) == ("words", 3000, 3000)


def test_refinement_without_a_window_has_chunks_of_the_task_s_size():
    text = day(1, "Sodium 128 mmol/L") * 300
    fitted = fit(lines_of(text), FRAME, FRAME, Window(counter=tokenizer("words")), spec("refine", chunk_tokens=1000), "?")
    assert [part.tokens for part in fitted.parts] == [1000, 1000, 1000]


def test_chunks_end_between_entries_and_an_entry_longer_than_a_chunk_is_split():
    short, long = day(1, "Sodium 128 mmol/L"), "2150-01-02 " + "pain " * 250 + "\n"
    text = short * 25 + long + short * 25
    fitted = fit(
        lines_of(text), FRAME, FRAME, Window(counter=tokenizer("words")), spec("refine", chunk_tokens=101, split="entries"), "?"
    )
    parts = [part.text for part in fitted.parts]
    assert "".join(parts) == text
    assert parts[:3] == [short * 10, short * 10, short * 5]
    # 255 tokens: two chunks of their own, and the rest with the four lines that it leaves room for.
    assert [part.tokens for part in fitted.parts[3:6]] == [101, 101, 53 + 40]
    assert parts[6:] == [short * 10, short * 10, short]


def test_retrieval_shows_the_best_entries_in_chronological_order():
    days = [day(n, "Sodium 128 mmol/L") for n in range(1, 29)]
    days[3], days[20] = day(4, "started atorvastatin 40 mg"), day(21, "stopped atorvastatin for myalgia")
    record = lines_of("".join(days))
    fitted = fit(record, FRAME, None, window(("words",), 16 + 11 + 25), spec("retrieve"), "atorvastatin?")
    shown = fitted.parts[0].text
    assert shown.startswith(days[3])
    assert days[20] in shown
    assert fitted.first_time == NEW_YEAR + timedelta(days=3)
    assert fitted.parts[0].start == record.text.index(days[3])


def test_retrieval_without_a_match_shows_the_newest():
    days = [day(n, "Sodium 128 mmol/L") for n in range(1, 29)]
    record = lines_of("".join(days))
    fitted = fit(record, FRAME, None, window(("words",), 16 + 11 + 35), spec("retrieve"), "zebra")
    assert record.text.endswith(fitted.parts[0].text)
    assert "".join(days[-3:]) in fitted.parts[0].text


def test_a_long_piece_is_cut_to_fit():
    record = lines_of(day(1, "nothing") * 5 + day(2, "atorvastatin " + "pain " * 400) + day(3, "nothing") * 5)
    fitted = fit(record, FRAME, None, window(("words",), 200), spec("retrieve"), "atorvastatin")
    assert fitted.parts[0].text.startswith("2150-01-02 atorvastatin pain")
    assert 150 < fitted.seen_tokens < 184


def test_neighbouring_pieces_stand_as_in_the_record():
    assert merged([Span(3, 5), Span(0, 3), Span(6, 8)]) == [Span(0, 5), Span(6, 8)]
    assert joined("ab cd ef", [Span(0, 2), Span(6, 8)]) == "ab\nef"


def test_windows():
    llama3, words = tokenizer("llama3"), tokenizer("words")
    assert Window.of(reserve=9, answer_tokens=8).limits == ()
    one = Window.of(reserve=9, answer_tokens=8, max_tokens=2048, context_length=1024, model_tokenizer=llama3)
    assert one.limits == (Limit(1024, 9, llama3),)
    two = Window.of(
        reserve=9, answer_tokens=8, max_tokens=2048, budget_tokenizer=words, context_length=32_768, model_tokenizer=llama3
    )
    assert two.limits == (Limit(2048, 9, words), Limit(32_768, 9, llama3))
    assert two.counter is words
    assert Window.of(reserve=9, answer_tokens=8, model_tokenizer=llama3).counter is llama3
    with pytest.raises(UsageError, match="--budget-tokenizer"):
        Window.of(reserve=9, answer_tokens=8, max_tokens=2048)


def test_a_chat_template_that_drops_the_record_is_named():
    assert Frame.split("<s>HERE</s>", "HERE") == ("<s>", "</s>")
    with pytest.raises(UsageError, match="0 times"):
        Frame.split("<s></s>", "HERE")


def test_the_open_sample_record(shared_dir):
    """Retrieval and entry-wise chunks of a record in the release's own markup."""
    from ehrbench.suites.medalign.records.xml import load_record

    record = load_record(shared_dir / "data" / "medalign-public" / "sample-ehr-clean.xml", "sample")
    pieces = entry_pieces(record)
    assert "".join(record.text[start:end] for start, end in pieces) == record.text
    assert len(pieces) >= len(record.entries) > 10
    chunked = fit(record, FRAME, FRAME, window(("llama3",), 2048), spec("refine", chunk_tokens=1000, split="entries"), "?")
    assert "".join(part.text for part in chunked.parts) == record.text
    boundaries = {span.start for span in pieces}
    assert all(part.start in boundaries for part in chunked.parts)
    found = fit(record, FRAME, None, window(("llama3",), 1500), spec("retrieve"), "What is the blood pressure?")
    assert "blood pressure" in found.parts[0].text.lower()
    assert 0 < found.seen_tokens < found.total_tokens
