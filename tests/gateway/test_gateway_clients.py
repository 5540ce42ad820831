"""Real clients: the official openai package, curl, and the terminal's own turn."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import openai
import pytest
from gateway_parts import Die, Hold, ask, delta, guarded, says, scripted, served
from keyword_release import asked, keyword_release

from gruyere.gateway import CallableUpstream, chat_turn, create_app
from gruyere.guard import REFUSAL, Blocked, Guard, JudgedWord
from gruyere.values import Message


def client(address: str) -> openai.OpenAI:
    """The official client."""
    return openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0)


def test_the_openai_client_streams() -> None:
    with (
        scripted(*says("Tea is nice.")) as upstream,
        guarded(upstream) as (address, _),
        client(address) as official,
        official.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream,
    ):
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "Tea is nice."
    assert completion.choices[0].finish_reason == "stop"


def test_the_openai_client_reads_a_block() -> None:
    with (
        scripted(delta(content="First a cake tin"), Hold()) as upstream,
        guarded(upstream) as (address, _),
        client(address) as official,
    ):
        whole = official.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        chunks = list(
            official.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
        )
    assert whole.choices[0].message.content == "First a"
    assert whole.choices[0].message.refusal == REFUSAL
    assert whole.choices[0].finish_reason == "content_filter"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "First a"
    assert chunks[-2].choices[0].delta.refusal == REFUSAL
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_the_async_openai_client_streams() -> None:
    async def talk(address: str) -> str:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as official:
            stream = await official.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    with scripted(*says("Tea is nice.")) as upstream, guarded(upstream) as (address, _):
        assert asyncio.run(talk(address)) == "Tea is nice."


def test_the_openai_client_raises_when_the_upstream_dies() -> None:
    with (
        scripted(delta(content="Tea is nice"), Die()) as upstream,
        guarded(upstream) as (address, _),
        client(address) as official,
    ):
        stream = official.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    assert caught.value.code == "upstream_lost"


def test_curl_streams() -> None:
    with scripted(*says("Tea is nice.")) as upstream, guarded(upstream) as (address, _):
        command = ["curl", "-sS", "-N", f"{address}/v1/chat/completions", "-d", json.dumps(ask(stream=True))]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert shown.endswith("data: [DONE]\n\n")
    assert '"content":" is"' in shown


async def write(messages: Sequence[Message]) -> AsyncIterator[str]:
    """A model in this process."""
    for word in f"You said {messages[-1].content} and no cake today".split():
        yield word + " "


def test_a_function_of_this_process_is_an_upstream() -> None:
    guard = Guard(keyword_release("output"))
    with served(create_app(lambda: guard, CallableUpstream(write, "stand-in"))) as address, client(address) as official:
        answer = official.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], n=2)
        short = official.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=2)
        assert [model.id for model in official.models.list()] == ["stand-in"]
    assert [choice.message.content for choice in answer.choices] == ["You said Hi and no"] * 2
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("You said ", "length")
    assert short.usage is not None
    assert short.usage.completion_tokens == 2


def test_a_turn_in_the_terminal() -> None:
    async def turn() -> list[JudgedWord | Blocked]:
        upstream = CallableUpstream(write, "stand-in")
        return [item async for item in chat_turn(Guard(keyword_release("output")), upstream, asked("Hi"))]

    *words, last = asyncio.run(turn())
    assert [word.text for word in words if isinstance(word, JudgedWord)] == ["You", " said", " Hi", " and", " no"]
    assert [word.nearness for word in words if isinstance(word, JudgedWord)] == [0.2] * 5
    assert isinstance(last, Blocked)


def test_serving_needs_no_training_stack() -> None:
    program = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "inspect_ai", "sklearn", "polars", "altair", "scipy"}:
            raise ImportError(f"{name} is not for serving")
sys.meta_path.insert(0, Refuse())
import gruyere.gateway, gruyere.guard, gruyere.views, gruyere.classifiers.serving.release
print("served")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("served", "")
