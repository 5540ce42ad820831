"""What the stages hand to each other."""

from gruyere.values import Kind, Message, Polarity, Pool, Value


class Topic(Value):
    """A subject under one rule."""

    category: str
    polarity: Polarity
    rule: str
    rule_text: str
    title: str
    pool: Pool | None

    @property
    def id(self) -> str:
        """Name of the topic: its rule and title."""
        return f"{self.rule}/{self.title}"


class Draft(Value):
    """A request, twin or conversation as written, before filters and splits."""

    topic: Topic
    kind: Kind
    messages: tuple[Message, ...]
    language: str
    model: str
    response: str | None = None
    response_model: str | None = None
    from_target: bool = False
    """Whether the response is what the guarded model said, not what a writer was asked for."""
    parent: str | None = None
    """For a twin: the text of the harmful request that it matches."""

    @property
    def text(self) -> str:
        """The last message of the person."""
        return self.messages[-1].content


class Translation(Value):
    """A recorded translation of a request, for the translation transform."""

    text: str
    language: str
    translated: str


class Problem(Value):
    """Something that was dropped or disagreed about, with its reason: listed, never hidden."""

    stage: str
    subject: str
    reason: str
