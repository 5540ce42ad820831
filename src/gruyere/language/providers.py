"""Real providers through inspect-ai, which knows their APIs and which of their errors pass.

The retry loop is ours because inspect-ai's default repeats without end and takes no notice of
Retry-After (its own note on `RetryDecision.retry_after`); one loop here makes attempts and waiting finite.
"""

import json
import re
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from gruyere.language.calls import Call, Reply, StopReason
from gruyere.language.roles import ProviderRole
from gruyere.values import Message, UpstreamError, UsageError

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput
    from tenacity import RetryCallState

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
_STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
}
_SDK_RETRIES = ("openai", "openai-api", "anthropic", "openrouter", "together", "fireworks", "deepseek", "vllm")
"""Providers whose arguments go to an OpenAI or Anthropic SDK, which would otherwise retry beneath us."""


class ProviderBackend:
    """Any model that inspect-ai reaches, with finite retries and time."""

    def __init__(self, role: ProviderRole) -> None:
        self.model = role.model
        self.concurrency = role.max_connections
        self._role = role
        self._open = AsyncExitStack()
        self._asked: Model | None = None

    async def __aenter__(self) -> Self:
        self._asked = await self._open.enter_async_context(_open_model(self._role))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def answer(self, call: Call) -> Reply:
        """Ask, retrying what the provider calls transient (429, 5xx, time-outs, broken connections).

        Raises:
            UpstreamError: Once retries or time are used up, or at once for other errors.
        """
        if self._asked is None:
            raise RuntimeError("open the backend with `async with` before asking it")
        try:
            with anyio.fail_after(self._role.timeout_s):
                return _read(await self._attempts(self._asked, call), self.model)
        except TimeoutError:
            raise UpstreamError(f"no answer within timeout_s = {self._role.timeout_s}") from None
        except UpstreamError:
            raise
        except Exception as error:  # providers raise their own types; all mean that this call has no answer
            raise UpstreamError(_reason(error)) from error

    async def _attempts(self, model: "Model", call: Call) -> "ModelOutput":
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

        back_off = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, FIRST_WAIT_S)

        def wait(state: "RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = _retry_after(model, error)
            return back_off(state) if asked is None else asked

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._role.max_retries + 1),
            wait=wait,
            retry=retry_if_exception(lambda error: _is_transient(model, _cause(error))),
            reraise=True,
        )
        return await retrying(_generate, model, call, self._config(call))

    def _config(self, call: Call) -> "GenerateConfig":
        from inspect_ai.model import GenerateConfig

        return GenerateConfig(
            max_tokens=call.max_tokens,
            temperature=call.temperature,
            max_connections=self._role.max_connections,
            max_retries=0,
            attempt_timeout=self._role.attempt_timeout_s,
        )


def _open_model(role: ProviderRole) -> "Model":
    try:
        from inspect_ai._util.error import PrerequisiteError
        from inspect_ai.model import get_model
    except ImportError:
        raise UsageError("backend 'inspect' needs inspect-ai; run `pip install 'gruyere[build]'`") from None
    arguments: dict[str, Any] = dict(role.model_args)
    if role.model.split("/")[0] in _SDK_RETRIES:
        arguments.setdefault("max_retries", 0)
    try:
        return get_model(role.model, base_url=role.base_url, memoize=False, **arguments)
    except PrerequisiteError as error:
        raise UsageError(f"model {role.model!r}: {_plain(str(error.message))}") from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"model {role.model!r}: {_one_line(str(error))}; check `model` and `model_args`") from None


async def _generate(model: "Model", call: Call, config: "GenerateConfig") -> "ModelOutput":
    return await model.generate([_chat(m) for m in call.messages], config=config)


def _chat(message: Message) -> "ChatMessage":
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageTool, ChatMessageUser

    match message.role:
        case "system":
            return ChatMessageSystem(content=message.content)
        case "user":
            return ChatMessageUser(content=message.content)
        case "assistant":
            return ChatMessageAssistant(content=message.content)
        case "tool":
            return ChatMessageTool(content=message.content)


def _read(output: "ModelOutput", model: str) -> Reply:
    if output.error or not output.choices:
        raise UpstreamError(_one_line(output.error or "the answer holds no choice"))
    usage = output.usage
    return Reply(
        # Lone surrogates, which some models emit for broken emoji, cannot be written as UTF-8.
        text=output.completion.encode("utf-8", "replace").decode("utf-8"),
        model=output.model or model,
        stop_reason=_STOPS.get(output.stop_reason, "other"),
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
    )


def _cause(error: BaseException) -> BaseException:
    """Return what inspect-ai's own (single-attempt) retry wrapped."""
    from tenacity import RetryError

    inner = error.last_attempt.exception() if isinstance(error, RetryError) else None
    return inner or error


def _is_transient(model: "Model", error: BaseException) -> bool:
    # A body that is not JSON was most likely cut short on its way.
    return isinstance(error, json.JSONDecodeError) or model.should_retry(error)


def _retry_after(model: "Model", error: BaseException | None) -> float | None:
    """Return the wait that the server asked for, in seconds, at most LONGEST_WAIT_S."""
    from inspect_ai.model import RetryDecision

    cause = _cause(error) if error else None
    decision = model.api.should_retry(cause) if isinstance(cause, Exception) else None
    asked = decision.retry_after if isinstance(decision, RetryDecision) else None
    return None if asked is None else min(asked, LONGEST_WAIT_S)


def _reason(error: BaseException) -> str:
    cause = _cause(error)
    # What a provider's own code trips over is an answer of the wrong shape.
    unusable = isinstance(cause, ValueError | TypeError | LookupError | AttributeError)
    return f"{'unusable answer, ' if unusable else ''}{type(cause).__name__}: {_one_line(str(cause))}"


def _plain(text: str) -> str:
    """Strip Rich's markup, in which inspect-ai writes its messages."""
    return _one_line(re.sub(r"\[/?\w+\]", "", text))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]
