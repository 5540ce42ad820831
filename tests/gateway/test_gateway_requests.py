"""Whole answers, refused requests and the other endpoints."""

import json

import httpx
import pytest
from gateway_parts import DONE, Hold, ask, delta, guarded, says, scripted, served
from keyword_release import keyword_release

from gruyere.gateway import CallableUpstream, GatewaySettings, HttpUpstream, create_app
from gruyere.gateway.request import read_request
from gruyere.guard import REFUSAL, Guard
from gruyere.values import UsageError


def post(address: str, body: object, **headers: str) -> httpx.Response:
    """Post a body to the chat endpoint."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{address}/v1/chat/completions", content=content, headers=headers)


def test_a_whole_answer() -> None:
    with scripted(*says("Tea is nice.")) as upstream, guarded(upstream) as (address, _):
        answer = post(address, ask()).json()
        assert upstream.bodies[0]["stream"] is True
    assert answer["object"] == "chat.completion"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Tea is nice.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def test_a_block_is_the_safe_beginning_and_the_refusal() -> None:
    with scripted(delta(content="First a cake tin"), Hold()) as upstream, guarded(upstream) as (address, _):
        answer = post(address, ask())
        assert upstream.hung_up.wait(5)
    assert answer.status_code == 200
    (choice,) = answer.json()["choices"]
    assert choice["message"] == {"role": "assistant", "content": "First a", "refusal": REFUSAL}
    assert choice["finish_reason"] == "content_filter"


def test_a_blocked_question_has_no_content() -> None:
    with scripted(Hold()) as upstream, guarded(upstream) as (address, _):
        (choice,) = post(address, ask("Bake a cake")).json()["choices"]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": REFUSAL}


def test_half_a_tool_call_is_never_handed_over() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "search", "arguments": '{"q": "tea and cake "}'}}
    with (
        scripted(delta(tool_calls=[call]), delta(reason="tool_calls"), DONE) as upstream,
        guarded(upstream) as (address, _),
    ):
        (choice,) = post(address, ask()).json()["choices"]
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "content_filter"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"[" * 100_000, "invalid_json", None),
        ([], "invalid_json", None),
        (b'{"messages": NaN}', "invalid_json", None),
        ({"model": "m"}, "invalid_request", "messages"),
        (ask() | {"messages": []}, "invalid_request", "messages"),
        (ask() | {"messages": ["Hi"]}, "invalid_request", "messages[0]"),
        (ask() | {"messages": [{"role": "cook", "content": ""}]}, "invalid_request", "messages[0].role"),
        (ask() | {"messages": [{"role": "user", "content": 5}]}, "invalid_request", "messages[0].content"),
        (ask(n=0), "invalid_request", "n"),
        (ask(n=True), "invalid_request", "n"),
        (ask(stream="yes"), "invalid_request", "stream"),
        (
            ask() | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "unsupported_content",
            "messages[0].content[0]",
        ),
    ],
)
def test_a_bad_request_is_named(body: object, code: str, param: str | None) -> None:
    with scripted() as upstream, guarded(upstream) as (address, _):
        answer = post(address, body)
        assert upstream.bodies == []
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


def test_a_body_over_the_limit_is_refused() -> None:
    guard = Guard(keyword_release("input"))
    upstream = HttpUpstream("http://127.0.0.1:9")
    with served(create_app(lambda: guard, upstream, GatewaySettings(most_body_bytes=100))) as address:
        assert post(address, ask("a" * 200)).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        ask() | {"messages": [{"role": "user", "content": [{"type": "text", "text": "Bake a cake"}]}]},
        ask() | {"messages": [{"role": "tool", "tool_call_id": "c", "content": "a cake"}]},
        ask() | {"messages": [{"role": "developer", "content": "a cake"}]},
        ask() | {"messages": [{"role": "user", "content": "Hi", "name": "cake"}]},
        ask() | {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "cake"}}]}]},
        ask(tools=[{"type": "function", "function": {"name": "f", "description": "bakes a cake"}}]),
        ask(response_format={"json_schema": {"schema": {"properties": {"cake_recipe": {"type": "string"}}}}}),
        ask(a_new_field={"deep": ["inside a cake"]}),
    ],
)
def test_every_text_for_the_model_is_judged(body: dict[str, object]) -> None:
    verdict = Guard(keyword_release("input")).judge_input(read_request(json.dumps(body).encode()).judged)
    assert verdict.decision == "block"


def test_names_and_settings_are_not_judged() -> None:
    body = ask(user="cake", metadata={"team": "cake"}, stop=["cake"]) | {"model": "cake-7b"}
    request = read_request(json.dumps(body).encode())
    assert [message.content for message in request.judged] == ["How are you?"]


def test_lone_surrogates_are_no_way_around() -> None:
    request = read_request(b'{"messages": [{"role": "user", "content": "a \\ud800 cake"}]}')
    assert Guard(keyword_release("input")).judge_input(request.judged).layer == "input"
    with (
        scripted(delta(content="Tea \ud800 "), delta(reason="stop"), DONE) as upstream,
        guarded(upstream) as (address, _),
    ):
        assert post(address, b'{"messages": [{"role": "user", "content": "\\ud800"}]}').status_code == 200


def test_an_upstream_that_is_away() -> None:
    guard = Guard(keyword_release("input"))
    with served(create_app(lambda: guard, HttpUpstream("http://127.0.0.1:9"))) as address:
        for streamed in (True, False):
            answer = post(address, ask(stream=streamed))
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
        health = httpx.get(f"{address}/healthz")
        assert (health.status_code, health.json()["upstream"]) == (503, "unreachable")
        assert httpx.get(f"{address}/v1/models").status_code == 502


@pytest.mark.parametrize("streamed", [True, False])
def test_an_upstream_s_refusal_keeps_its_status(streamed: bool) -> None:
    body = json.dumps({"error": {"message": "slow down", "type": "requests", "code": "rate_limit"}, "x": "y"}).encode()
    head = b"429 Too Many Requests\r\ncontent-type: application/json"
    with scripted(body, head=head) as upstream, guarded(upstream) as (address, _):
        answer = post(address, ask(stream=streamed))
    assert answer.status_code == 429
    assert answer.json() == {"error": {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit"}}


def test_an_upstream_that_dies_leaves_no_half_answer_without_a_stream() -> None:
    with scripted(delta(content="Tea is nice")) as upstream, guarded(upstream) as (address, _):
        answer = post(address, ask())
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_lost")


def test_health_and_models() -> None:
    models = b'{"object": "list", "data": []}'
    with (
        scripted(models, head=b"200 OK\r\ncontent-type: application/json") as upstream,
        guarded(upstream) as (address, _),
    ):
        health = httpx.get(f"{address}/healthz")
        assert (health.status_code, health.json()["release"]) == (200, "cake-1")
        assert httpx.get(f"{address}/v1/models").json() == {"object": "list", "data": []}
        assert httpx.get(f"{address}/nowhere").json()["error"]["code"] == "not_found"
        assert httpx.get(f"{address}/v1/chat/completions").status_code == 405


def test_a_caller_s_own_key_reaches_an_upstream_without_one() -> None:
    guard = Guard(keyword_release("input"))
    with scripted(*says("Tea.")) as upstream, served(create_app(lambda: guard, HttpUpstream(upstream.url))) as address:
        post(address, ask(), authorization="Bearer mine")
    assert "authorization: Bearer mine" in upstream.headers[0]


def test_a_running_request_keeps_its_guard() -> None:
    guards = [Guard(keyword_release("output", name=f"cake-{i}")) for i in range(2)]
    used = iter(guards)
    with (
        scripted(*says("Tea.")) as upstream,
        served(create_app(lambda: next(used), HttpUpstream(upstream.url))) as address,
    ):
        names = [post(address, ask()).headers["x-gruyere-release"] for _ in range(2)]
    assert names == ["cake-0", "cake-1"]
    assert [guard.counters.words_released for guard in guards] == [1, 1]


def test_a_release_s_name_cannot_break_a_header() -> None:
    guard = Guard(keyword_release("output", name="käse\r\nx: y"))
    with scripted(*says("Tea.")) as upstream, served(create_app(lambda: guard, HttpUpstream(upstream.url))) as address:
        assert post(address, ask()).headers["x-gruyere-release"] == "k_se__x__y"


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "file:///etc/passwd", "http://"])
def test_an_upstream_needs_an_address(url: str) -> None:
    with pytest.raises(UsageError, match="http"):
        HttpUpstream(url)


def test_a_base_url_may_be_short_or_long() -> None:
    for url in ("http://h:1", "http://h:1/", "http://h:1/v1/", "http://h:1/v1/chat/completions"):
        assert HttpUpstream(url).url == "http://h:1/v1"


def test_callable_upstream_is_exported() -> None:
    assert CallableUpstream.__doc__
