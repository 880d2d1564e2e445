"""Every row of the retry table, on a server that fails as it is told."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Model, Request, Response
from ehrbench.models.server.limiter import Limiter, limiter_for
from ehrbench.models.server.retry import judge_status, retry_after, wait_seconds
from tests.support.server import Server

FAST = {"first_wait": "0.01", "timeout": "5"}


def connect(server: Server, **args: str) -> Model:
    return load_model("openai:stub", {"base_url": server.url, **FAST, **args}, None)


def ask(server: Server, text: str = "CANARY question", **args: str) -> Response:
    model = connect(server, **args)
    try:
        (response,) = model.generate([Request("r", (Message("user", text),), 16)])
        return response
    finally:
        model.close()


@pytest.mark.parametrize(
    "fault",
    ["429", "429:0.01", "500", "502", "503", "529", "408", "409", "425", "reset", "close", "truncated", "garbage", "nochoices"],
)
def test_passing_failures_are_tried_again(fault: str) -> None:
    with Server(script=[fault, fault]) as server:
        response = ask(server)
    assert (response.finish, response.error, response.attempts) == ("stop", None, 3)
    assert response.text.startswith("answer ")
    assert server.bodies[0] == server.bodies[1] == server.bodies[2]


def test_silence_is_a_timeout() -> None:
    with Server(script=["hang"]) as server:
        assert ask(server, timeout="0.2").attempts == 2
    with Server(script=["hang"] * 9) as server:
        response = ask(server, timeout="0.1", max_retries="1")
    assert (response.finish, response.error, response.attempts) == ("error", "Timeout", 2)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", "HTTP 429"),
        ("500", "HTTP 500"),
        ("reset", "ConnectionReset"),
        ("close", "ConnectionClosed"),
        ("truncated", "TruncatedBody"),
        ("garbage", "NotJSON"),
        ("nochoices", "NoChoices"),
    ],
)
def test_retries_end(fault: str, error: str) -> None:
    with Server(script=["ok"] + [fault] * 99) as server:
        model = connect(server, max_retries="2", concurrency="1")
        _, response = model.generate([Request(i, (Message("user", f"CANARY {i}"),), 16) for i in "ab"])
        assert server.requests.total() == 1 + 3
    assert (response.text, response.finish, response.error, response.attempts) == ("", "error", error, 3)


def test_null_content_is_tried_three_times_and_is_no_answer() -> None:
    with Server(script=["null"] * 3) as server:
        response = ask(server)
    assert (response.text, response.finish, response.error, response.attempts) == ("", "error", "NullContent", 3)
    with Server(script=["null", "ok"]) as server:
        assert ask(server).finish == "stop"


@pytest.mark.parametrize(
    ("fault", "finish", "error"),
    [
        ("400", "error", "HTTP 400"),
        ("405", "error", "HTTP 405"),
        ("422", "error", "HTTP 422"),
        ("413", "overflow", "HTTP 413"),
        ("overflow", "overflow", "HTTP 400"),
        ("filter", "refused", "HTTP 400"),
        ("filtered", "refused", None),
        ("refusal", "refused", None),
    ],
)
def test_lasting_failures_are_not_tried_again(fault: str, finish: str, error: str | None) -> None:
    with Server(script=[fault]) as server:
        response = ask(server)
    assert (response.text, response.finish, response.error, response.attempts) == ("", finish, error, 1)
    assert server.requests.total() == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("401", "HTTP 401: the key was refused; check the environment variable OPENAI_API_KEY"),
        ("403", "HTTP 403: .*check the environment variable OPENAI_API_KEY|HTTP 403"),
        ("404", "no such model or path there"),
        ("307", "it redirects"),
        ("quota", "no quota left"),
    ],
)
def test_what_would_fail_for_every_item_stops_the_run(fault: str, message: str) -> None:
    with Server(script=[fault] * 99) as server:
        model = connect(server, concurrency="2")
        with pytest.raises(UsageError, match=message) as caught:
            list(model.generate(Request(str(i), (Message("user", f"CANARY {i}"),), 16) for i in range(50)))
        assert server.requests.total() < 10
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("fault", ["403", "404", "307"])
def test_after_a_success_they_cost_one_item(fault: str) -> None:
    with Server(script=["ok", fault], redirect="http://127.0.0.1:9/") as server:
        model = connect(server, concurrency="1")
        responses = list(model.generate(Request(i, (Message("user", i),), 16) for i in "abc"))
    assert [(r.finish, r.error) for r in responses] == [("stop", None), ("error", f"HTTP {fault}"), ("stop", None)]


def test_answers_before_a_stop_are_delivered() -> None:
    with Server(script=["ok", "ok", "401"]) as server:
        model = connect(server, concurrency="1")
        seen = []
        with pytest.raises(UsageError):
            for response in model.generate(Request(i, (Message("user", i),), 16) for i in "abcdef"):
                seen.append(response.id)
    assert seen == ["a", "b"]


def test_nothing_listens() -> None:
    with Server() as server:
        pass
    model = connect(server, max_retries="1")
    with pytest.raises(MissingError, match="no server answers at http://127"):
        list(model.generate([Request("a", (Message("user", "CANARY"),), 9)]))
    with pytest.raises(MissingError, match="no server answers"):
        model.describe()  # type: ignore[attr-defined]


def test_unsupported_field_names_the_argument() -> None:
    body = b'{"error": {"message": "Unsupported: CANARY", "code": "unsupported_parameter", "param": "max_tokens"}}'
    verdict = judge_status(400, {}, body, succeeded=False)
    assert (verdict.action, verdict.advice) == (
        "stop",
        "it does not take 'max_tokens': --model-arg token_field=max_completion_tokens",
    )


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "Prompt is too long: 210000 tokens > 200000 maximum",
        "Input length (5000 tokens) exceeds the maximum allowed length (4095 tokens)",
    ],
)
def test_servers_say_overflow_in_many_ways(message: str) -> None:
    for body in (f'{{"error": {{"message": "{message}", "code": 400}}}}', f'{{"object": "error", "message": "{message}"}}'):
        assert judge_status(400, {}, body.encode(), succeeded=True).finish == "overflow"
    assert judge_status(422, {}, f'{{"error": "{message}"}}'.encode(), succeeded=True).finish == "overflow"


def test_a_prompt_about_context_is_not_an_overflow() -> None:
    quoted = f'{{"error": {{"message": "bad field in {"x" * 300} context length"}}}}'
    assert judge_status(400, {}, quoted.encode(), succeeded=True).finish == "error"


def test_azure_filter_is_a_refusal() -> None:
    body = b'{"error": {"code": null, "innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "m"}}'
    assert judge_status(400, {}, body, succeeded=True).finish == "refused"


def test_retry_after_forms() -> None:
    in_a_minute = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    assert retry_after({"Retry-After": "1.5"}) == 1.5
    assert 55 < (retry_after({"Retry-After": in_a_minute}) or 0) <= 60
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({"retry-after-ms": "250", "Retry-After": "1"}) == 0.25
    assert retry_after({}) is None


def test_waits_double_up_to_a_minute_and_never_undercut_the_server() -> None:
    for attempt, most in ((1, 1.0), (2, 2.0), (3, 4.0), (30, 60.0)):
        assert all(most / 2 <= wait_seconds(attempt, None, 1.0) <= most for _ in range(50))
    assert all(5 <= wait_seconds(1, 5.0, 0.01) <= 5.25 for _ in range(50))


def test_retry_after_is_honoured_on_the_wire() -> None:
    with Server(script=["429:0.4"]) as server:
        started = time.monotonic()
        assert ask(server).attempts == 2
        assert time.monotonic() - started >= 0.4
        assert server.times[1] - server.times[0] >= 0.4


def test_no_attempt_begins_after_the_allowed_time() -> None:
    with Server(script=["ok", "429:30"]) as server:
        model = connect(server, retry_seconds="1", concurrency="1")
        started = time.monotonic()
        responses = list(model.generate(Request(i, (Message("user", i),), 9) for i in "ab"))
        assert time.monotonic() - started < 5
    assert (responses[1].error, responses[1].attempts) == ("HTTP 429", 1)


async def _cycle(limiter: Limiter, **how: bool) -> None:
    limiter.release(await limiter.acquire(), **how)


def test_limiter_halves_once_a_burst_and_recovers() -> None:
    import asyncio

    async def scenario() -> None:
        limiter = Limiter(16)
        epochs = [await limiter.acquire() for _ in range(16)]
        for epoch in epochs[:8]:
            limiter.release(epoch, congested=True)
        assert limiter.limit == 8  # one burst of refusals is one message
        waiting = asyncio.ensure_future(limiter.acquire())
        await asyncio.sleep(0)
        assert not waiting.done()  # 8 are under way
        limiter.release(epochs[8], succeeded=True)
        await asyncio.sleep(0)
        assert waiting.done()
        for epoch in [*epochs[9:], waiting.result()]:
            limiter.release(epoch, succeeded=True)
        assert limiter.in_flight == 0
        for _ in range(300):
            await _cycle(limiter, succeeded=True)
        assert limiter.limit == 16
        for _ in range(9):
            await _cycle(limiter, congested=True)
        assert limiter.limit == 1

    asyncio.run(scenario())


def test_cancelled_waiters_lose_no_place() -> None:
    import asyncio

    async def scenario() -> None:
        limiter = Limiter(1)
        epoch = await limiter.acquire()
        waiters = [asyncio.ensure_future(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        limiter.release(epoch)
        waiters[1].cancel()  # already woken
        await asyncio.sleep(0.01)
        assert waiters[2].done()
        limiter.release(waiters[2].result())
        assert limiter.in_flight == 0

    asyncio.run(scenario())


def test_one_limiter_a_server() -> None:
    assert limiter_for("http://one", 4) is limiter_for("http://one", 8)
    assert limiter_for("http://one", 2).ceiling == 8
    assert limiter_for("http://two", 4) is not limiter_for("http://one", 4)


def test_a_busy_server_is_asked_less_at_once() -> None:
    with Server(capacity=4, latency=0.01) as server:
        model = connect(server, concurrency="32", max_retries="50")
        responses = list(model.generate(Request(str(i), (Message("user", f"q{i}"),), 9) for i in range(200)))
        refused = server.requests.total() - 200
        assert limiter_for(server.url, 1).limit < 16
    assert all(r.finish == "stop" for r in responses)
    # Thirty-two at once against four places would be refused seven times for each answer.
    assert refused < 200


def test_a_bad_day(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """A tenth of the calls each fail with 429, 500, a reset and a cut-off body, and one item for ever."""
    rates = {"429:0.01": 0.1, "500": 0.1, "reset": 0.1, "truncated": 0.1}
    with Server(rates=rates, poison="POISON") as server:
        model = connect(server, concurrency="8")
        texts = [f"CANARY {i}" for i in range(150)] + ["CANARY POISON"]
        responses = list(model.generate(Request(text, (Message("user", text),), 9) for text in texts))
        model.close()
        answered = Counter(server.answered)
    assert sorted(r.id for r in responses) == sorted(texts)
    failed = [r for r in responses if r.finish != "stop"]
    assert [(r.id, r.finish, r.error) for r in failed] == [("CANARY POISON", "error", "HTTP 400")]
    assert set(answered.values()) == {1}
    assert sum(r.attempts for r in responses) > 180
    assert "CANARY" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("fault", ["400", "500", "garbage", "truncated", "overflow", "filter", "refusal", "401", "404", "quota"])
def test_no_failure_repeats_the_prompt(fault: str) -> None:
    with Server(script=[fault] * 9) as server:
        try:
            told: Any = ask(server, max_retries="1")
        except EhrbenchError as error:
            told = (str(error), repr(error), error.__cause__, error.__context__)
    assert "CANARY" not in repr(told)
