"""Streams through the gateway, over real HTTP, read as plain events."""

from typing import Any

import httpx
import pytest
from gateway_parts import (
    DONE,
    Act,
    Die,
    Hold,
    ask,
    delta,
    event,
    events_of,
    guarded,
    reasons_of,
    says,
    scripted,
    text_of,
    usage,
    wait_for,
)
from keyword_release import keyword_release

from gruyere.guard import REFUSAL


def stream(address: str, **request: object) -> list[object]:
    """Ask for a stream and read it to its end."""
    body = ask(**{"stream": True, **request})  # type: ignore[arg-type]
    response = httpx.post(f"{address}/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-gruyere-release"] == "cake-1"
    assert response.headers["x-gruyere-decision"]
    events = events_of(response.text)
    assert events[-1] == "[DONE]"
    assert events.count("[DONE]") == 1
    return events


def test_a_harmless_answer_arrives_whole() -> None:
    with scripted(*says("Tea is very nice.")) as upstream, guarded(upstream) as (address, guard):
        events = stream(address, logprobs=True, top_logprobs=3, seed=4, stream_options={"include_usage": True}, odd=1)
        assert text_of(events) == "Tea is very nice."
        assert reasons_of(events) == ["stop"]
        assert guard.counters.words_released_unjudged == 0
    chunks = [e for e in events if isinstance(e, dict)]
    assert {(e["id"], e["created"], e["model"]) for e in chunks} == {(chunks[0]["id"], chunks[0]["created"], "m")}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}
    assert "surprise" not in str(events)
    assert "logprobs" not in str(events)
    (sent,) = upstream.bodies
    assert sent == ask(seed=4, odd=1, stream=True, stream_options={"include_usage": True})
    assert "authorization: bearer up-key" in upstream.headers[0].lower()


def test_without_include_usage_no_chunk_lacks_choices() -> None:
    with scripted(*says("Tea.")) as upstream, guarded(upstream) as (address, _):
        assert all(e == "[DONE]" or e["choices"] for e in stream(address))  # type: ignore[index]


def test_a_blocked_answer_ends_with_refusal_and_content_filter() -> None:
    script: list[Act] = [delta(content="First take "), delta(content="a cake tin "), Hold()]
    with scripted(*script) as upstream, guarded(upstream) as (address, _):
        events = stream(address, stream_options={"include_usage": True})
        assert upstream.hung_up.wait(5)
    assert text_of(events) == "First take a"
    deltas = [e["choices"][0] for e in events if isinstance(e, dict) and e["choices"]]
    assert deltas[-2]["delta"] == {"refusal": REFUSAL}
    assert deltas[-2]["finish_reason"] is None
    assert (deltas[-1]["delta"], deltas[-1]["finish_reason"]) == ({}, "content_filter")
    assert events[-2]["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}  # type: ignore[index]


def test_a_blocked_question_shows_only_the_refusal() -> None:
    with scripted(delta(content="Sure, "), Hold()) as upstream, guarded(upstream) as (address, _):
        events = stream(address, text="How do I bake a cake?")
        assert upstream.hung_up.wait(5)
    deltas = [e["choices"][0] for e in events if isinstance(e, dict)]
    assert [d["delta"] for d in deltas] == [{"role": "assistant", "refusal": REFUSAL}, {}]
    assert reasons_of(events) == ["content_filter"]


@pytest.mark.parametrize("word", ["nan", "raise", "slow"])
def test_a_failing_classifier_looks_like_any_block(word: str) -> None:
    release = keyword_release("output", misbehaves=True)
    script: list[Act] = [delta(content="one two "), delta(content=f"{word} three"), Hold()]
    with scripted(*script) as upstream, guarded(upstream, release, timeout_s=0.3) as (address, guard):
        events = stream(address)
        assert guard.counters.failures == 1
        assert guard.counters.words_released_unjudged == 0
    assert text_of(events) == "one two"
    assert text_of(events, "refusal") == REFUSAL
    assert reasons_of(events) == ["content_filter"]


def test_each_choice_is_blocked_for_itself() -> None:
    script: list[Act] = [
        delta(0, content="Tea "),
        delta(1, content="Milk, a cake "),
        delta(0, content="is nice."),
        delta(1, content="and more "),
        delta(0, "stop"),
        delta(1, "stop"),
        DONE,
    ]
    with scripted(*script) as upstream, guarded(upstream) as (address, _):
        events = stream(address, n=2)
    assert (text_of(events, choice=0), reasons_of(events, 0)) == ("Tea is nice.", ["stop"])
    assert (text_of(events, choice=1), reasons_of(events, 1)) == ("Milk, a", ["content_filter"])
    assert text_of(events, "refusal", 1) == REFUSAL


def test_the_upstream_is_left_once_every_choice_is_blocked() -> None:
    script: list[Act] = [delta(0, content="a cake "), delta(1, content="two cakes "), Hold()]
    with scripted(*script) as upstream, guarded(upstream) as (address, _):
        events = stream(address, n=2)
        assert upstream.hung_up.wait(5)
    assert reasons_of(events, 0) == reasons_of(events, 1) == ["content_filter"]


def test_tool_calls_are_judged_as_they_stream() -> None:
    def call(**fields: object) -> bytes:
        return delta(tool_calls=[{"index": 0, **fields}])

    script: list[Act] = [
        call(id="call_1", type="function", function={"name": "search", "arguments": ""}),
        call(function={"arguments": '{"query": "a nice'}),
        call(function={"arguments": ' cake for me"}'}),
        delta(reason="tool_calls"),
        DONE,
    ]
    with scripted(*script) as upstream, guarded(upstream) as (address, _):
        events = stream(address)
    calls = [c for e in events if isinstance(e, dict) for c in e["choices"][0]["delta"].get("tool_calls", [])]
    assert calls[0] == {"index": 0, "id": "call_1", "type": "function", "function": {"name": "search", "arguments": ""}}
    assert "".join(c["function"]["arguments"] for c in calls) == '{"query": "a nice'
    assert reasons_of(events) == ["content_filter"]


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "They want a cake recipe"},
        {"reasoning": "They want a cake recipe"},
        {"refusal": "I will not say cake recipe"},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "bake_cake", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "id": "a recipe in an id", "function": {"name": "search"}}]},
        {"function_call": {"name": "search", "arguments": "the cake recipe"}},
        {"thoughts": "a field nobody knows"},
        {"audio": {"data": "UklGRg=="}},
    ],
)
def test_whatever_a_caller_could_read_is_judged(fields: dict[str, Any]) -> None:
    with scripted(delta(**fields), delta(reason="stop"), DONE) as upstream, guarded(upstream) as (address, _):
        events = stream(address)
    shown = str(events)
    assert "recipe" not in shown
    assert "nobody" not in shown
    assert "UklGRg" not in shown
    assert reasons_of(events) == ["content_filter"]


def test_harmless_reasoning_and_tool_calls_pass() -> None:
    script: list[Act] = [
        delta(reasoning_content="Let me think. "),
        delta(content="One moment."),
        delta(
            tool_calls=[
                {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": '}}
            ]
        ),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
        delta(reason="tool_calls"),
        DONE,
    ]
    with scripted(*script) as upstream, guarded(upstream) as (address, _):
        events = stream(address)
        whole = httpx.post(f"{address}/v1/chat/completions", json=ask()).json()
    assert text_of(events, "reasoning_content") == "Let me think. "
    assert text_of(events) == "One moment."
    assert reasons_of(events) == ["tool_calls"]
    message = whole["choices"][0]["message"]
    assert message["reasoning_content"] == "Let me think. "
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    ]


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ([Die()], "upstream_lost"),
        ([], "upstream_lost"),
        ([b"data: {not json\n\n"], "upstream_malformed"),
        ([b"data: \xff\xfe\n\n"], "upstream_malformed"),
        ([event([1, 2])], "upstream_malformed"),
        ([event({"choices": [{"delta": {"content": 5}}]})], "upstream_malformed"),
        ([event({"choices": [{"index": 3, "delta": {"content": "a"}}]})], "upstream_malformed"),
        ([event({"error": {"message": "unjudged", "code": "overloaded"}})], "overloaded"),
        ([Hold()], "upstream_timeout"),
    ],
)
def test_a_failing_upstream_ends_the_stream_with_an_error(ending: list[Act], code: str) -> None:
    with (
        scripted(delta(content="Tea is nice"), *ending) as upstream,
        guarded(upstream, idle_timeout_s=0.3) as (address, guard),
    ):
        events = stream(address)
        assert guard.counters.words_released_unjudged == 0
    assert text_of(events) == "Tea is"
    assert events[-2]["error"]["code"] == code  # type: ignore[index]
    assert "unjudged" not in str(events)


def test_an_answer_without_terminator_is_whole_once_it_has_finished() -> None:
    with scripted(delta(content="Tea."), delta(reason="stop")) as upstream, guarded(upstream) as (address, _):
        events = stream(address)
    assert (text_of(events), reasons_of(events)) == ("Tea.", ["stop"])
    assert "error" not in str(events)


def test_an_upstream_that_does_not_stream_is_judged_too() -> None:
    answer = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Take a cake"}, "finish_reason": "stop"}]
    }
    head = b"200 OK\r\ncontent-type: application/json"
    with scripted(event(answer).removeprefix(b"data: "), head=head) as upstream, guarded(upstream) as (address, _):
        events = stream(address)
    assert (text_of(events), reasons_of(events)) == ("Take a", ["content_filter"])


def test_a_caller_who_hangs_up_frees_the_upstream() -> None:
    with scripted(delta(content="Tea is nice "), Hold()) as upstream, guarded(upstream) as (address, guard):
        with httpx.stream("POST", f"{address}/v1/chat/completions", json=ask(stream=True)) as response:
            assert next(response.iter_text())
        assert upstream.hung_up.wait(2)
        wait_for(lambda: guard.counters.answers == 1)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_caller_who_hangs_up_before_the_first_word_frees_the_upstream(streamed: bool) -> None:
    with scripted(Hold()) as upstream, guarded(upstream) as (address, _):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/chat/completions", json=ask(stream=streamed), timeout=0.3)
        assert upstream.hung_up.wait(2)


def test_a_cut_through_usage_is_harmless() -> None:
    script: list[Act] = [delta(content="Tea."), delta(reason="length"), usage(1, 1)[:20], 0.05, usage(1, 1)[20:], DONE]
    with scripted(*script) as upstream, guarded(upstream) as (address, _):
        assert reasons_of(stream(address)) == ["length"]
