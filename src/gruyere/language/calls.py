"""One call to a language model and its reply, as values."""

from typing import Literal

from pydantic import Field

from gruyere.values import Message, Value, digest_of

RoleName = Literal["generator", "helpful_only", "target", "judge", "grader", "attacker", "monitor"]

StopReason = Literal["stop", "length", "content_filter", "other"]


class Call(Value):
    """What is asked of a role. Two calls with equal digests may share one reply.

    `stage` and `subject` say for people (and for re-keying recordings after a
    prompt was reworded) what the call is about; they are not part of the digest.
    """

    role: RoleName
    messages: tuple[Message, ...] = Field(min_length=1)
    max_tokens: int = Field(default=1024, ge=1)
    temperature: float = Field(default=1.0, ge=0, le=2)
    stage: str = ""
    subject: str = ""

    @property
    def digest(self) -> str:
        """Name of what is asked: role, messages and settings, without stage and subject."""
        return digest_of(["Call", self.model_dump(mode="json", exclude={"stage", "subject"})])


class Reply(Value):
    """A model's answer to one call."""

    text: str
    model: str
    stop_reason: StopReason = "stop"
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
