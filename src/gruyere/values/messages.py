"""Messages, exchanges and labelled examples: what every floor passes around."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from gruyere.values.errors import UsageError
from gruyere.values.record import Value, digest_of

Role = Literal["system", "user", "assistant", "tool"]
Side = Literal["input", "output", "exchange"]
Split = Literal["train", "calibration", "test"]
Polarity = Literal["harmful", "monitored", "harmless"]
Pool = Literal["general", "near_domain", "multi_turn"]
Kind = Literal["request", "twin", "conversation"]
Label = Literal["harmful", "harmless"]


class Message(Value):
    """One turn of a conversation."""

    role: Role
    content: str


class Exchange(Value):
    """A transcript and the response to judge; `response` is None where only the input is judged."""

    transcript: tuple[Message, ...] = Field(min_length=1)
    response: str | None = None

    @classmethod
    def from_messages(cls, messages: Sequence[Message]) -> Self:
        """Split a whole conversation: a final assistant turn becomes the response.

        Raises:
            UsageError: If nothing is left as transcript.
        """
        last = messages[-1] if messages else None
        if last is not None and last.role == "assistant" and len(messages) > 1:
            return cls(transcript=tuple(messages[:-1]), response=last.content)
        if last is None or last.role == "assistant":
            raise UsageError("an exchange needs at least one message before the assistant's answer")
        return cls(transcript=tuple(messages))

    @property
    def messages(self) -> tuple[Message, ...]:
        """The transcript, followed by the response as an assistant turn where there is one."""
        if self.response is None:
            return self.transcript
        return (*self.transcript, Message(role="assistant", content=self.response))


class Provenance(Value):
    """Where an example comes from; its label is a function of this and of nothing else.

    `responder` names the role that wrote the response (None without a response):
    `helpful_only` answers a harmful request in earnest, `generator` answers a
    harmless one, `target` is whatever the guarded model said.
    """

    polarity: Polarity
    kind: Kind
    category: str
    rules: tuple[str, ...] = Field(min_length=1)
    topic: str
    language: str
    model: str
    responder: Literal["helpful_only", "generator", "target"] | None = None
    transforms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    pool: Pool | None = None


class Example(Value):
    """An exchange with its provenance and split. There is no label field: see `label`."""

    exchange: Exchange
    provenance: Provenance
    split: Split

    @property
    def id(self) -> str:
        """Short stable name: a prefix of the digest of exchange and provenance."""
        content = [self.exchange.model_dump(mode="json"), self.provenance.model_dump(mode="json")]
        return digest_of(content)[3:19]

    def label(self, side: Side) -> Label:
        """Derive the label of one side from provenance.

        Input: harmful when the request's rule is harmful. Output and exchange:
        harmful when, besides, a helpful-only model wrote the response; a guarded
        model's own answer is never taken for harmful on trust.
        """
        harmful = self.provenance.polarity == "harmful"
        if side == "input":
            return "harmful" if harmful else "harmless"
        return "harmful" if harmful and self.provenance.responder == "helpful_only" else "harmless"

    @property
    def multi_turn(self) -> bool:
        """Whether the transcript holds more than one user turn."""
        return sum(m.role == "user" for m in self.exchange.transcript) > 1
