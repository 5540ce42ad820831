"""Read and write the constitution's Markdown; every error names file and line."""

import re
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from gruyere.constitution.document import HEADINGS, Category, Constitution, Rule, slug_of
from gruyere.values import Polarity, UsageError

_ABBREVIATIONS = (
    "e.g.",
    "i.e.",
    "etc.",
    "vs.",
    "cf.",
    "approx.",
    "Dr.",
    "Mr.",
    "Mrs.",
    "Ms.",
    "St.",
    "No.",
    "Nos.",
    "U.S.",
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]?\s+(?=[\"'“‘(\[]?[A-Z0-9À-Þ])")


def split_sentences(paragraph: str) -> list[str]:
    """Cut a paragraph into sentences at . ! ? followed by a capital or digit, abbreviations aside."""
    text = " ".join(paragraph.split())
    sentences: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        head = text[start : match.end()].rstrip()
        if head.endswith(_ABBREVIATIONS):
            continue
        sentences.append(head)
        start = match.end()
    tail = text[start:].strip()
    return [*sentences, tail] if tail else sentences


@dataclass
class _OpenCategory:
    name: str
    polarity: Polarity
    line: int
    rules: list[Rule] = field(default_factory=list)


class _Reader:
    """Walks the Markdown tokens once, keeping the section it is in."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.title: str | None = None
        self.preamble: list[str] = []
        self.polarity: Polarity | None = None
        self.category: _OpenCategory | None = None
        self.categories: list[_OpenCategory] = []
        self.seen_sections: dict[str, int] = {}

    def fail(self, line: int, problem: str) -> UsageError:
        return UsageError(f"{self.source}:{line}: {problem}")

    def heading(self, level: str, text: str, line: int) -> None:
        match level:
            case "h1":
                if self.title is not None:
                    raise self.fail(line, f"second title {text!r}; a constitution has one `# Title`")
                if not text:
                    raise self.fail(line, "the title is empty; name the constitution after the #")
                self.title = text
            case "h2":
                if self.title is None:
                    raise self.fail(line, "a section before the title; begin the file with `# Title`")
                if text not in HEADINGS:
                    raise self.fail(line, f"unknown heading {text!r}; use Harmful, Monitored or Harmless")
                if text in self.seen_sections:
                    raise self.fail(
                        line,
                        f"second {text!r} section (first on line {self.seen_sections[text]}); merge them",
                    )
                self.seen_sections[text] = line
                self.polarity = HEADINGS[text]
                self.category = None
            case "h3":
                if self.polarity is None:
                    raise self.fail(
                        line,
                        f"category {text!r} stands before any section; put it under ## Harmful, Monitored or Harmless",
                    )
                try:
                    slug = slug_of(text)
                except UsageError as error:
                    raise self.fail(line, str(error)) from None
                for other in self.categories:
                    if slug_of(other.name) == slug:
                        raise self.fail(line, f"duplicate category {text!r} (first on line {other.line}); rename one")
                self.category = _OpenCategory(text, self.polarity, line)
                self.categories.append(self.category)
            case _:
                raise self.fail(line, f"heading {text!r} is too deep; only #, ## and ### are known")

    def paragraph(self, text: str, line: int, *, bullet: bool) -> None:
        if self.category is None:
            if self.title is None:
                raise self.fail(line, "text before the title; begin the file with `# Title`")
            if self.polarity is not None:
                raise self.fail(line, "text outside a category; put it under a ### category")
            if bullet:
                raise self.fail(line, "a list before the first section; the preamble is plain paragraphs")
            self.preamble.append(" ".join(text.split()))
            return
        sentences = [" ".join(text.split())] if bullet else split_sentences(text)
        for sentence in sentences:
            rule = Rule.of(slug_of(self.category.name), sentence, bullet=bullet, line=line)
            if any(rule.id == other.id for other in self.category.rules):
                raise self.fail(line, f"rule {sentence!r} stands twice in {self.category.name!r}; remove one")
            self.category.rules.append(rule)

    def finish(self) -> Constitution:
        if self.title is None:
            raise self.fail(1, "no title; begin the file with `# Title`")
        for category in self.categories:
            if not category.rules:
                raise self.fail(
                    category.line,
                    f"category {category.name!r} is empty; write at least one sentence or bullet",
                )
        present = {category.polarity for category in self.categories}
        for polarity, reason in (
            ("harmful", "nothing to guard against"),
            ("harmless", "a harmful side without any harmless side makes a guard that refuses everything"),
        ):
            if polarity not in present:
                heading = polarity.capitalize()
                line = self.seen_sections.get(heading, 1)
                raise self.fail(line, f"no category under ## {heading}: {reason}; add one")
        return Constitution(
            title=self.title,
            preamble="\n\n".join(self.preamble),
            categories=tuple(
                Category(name=c.name, polarity=c.polarity, rules=tuple(c.rules), line=c.line) for c in self.categories
            ),
        )


def parse(text: str, source: str = "constitution") -> Constitution:
    """Parse a constitution.

    Args:
        text: The Markdown.
        source: File name to quote in errors.

    Raises:
        UsageError: Naming file and line, for an unknown heading, an empty category, a
            duplicate name or rule, a missing side, or Markdown that has no meaning here.
    """
    reader = _Reader(source)
    tokens = MarkdownIt("commonmark").parse(text)
    in_item = False
    for position, token in enumerate(tokens):
        line = (token.map or [0])[0] + 1
        match token.type:
            case "heading_open":
                reader.heading(token.tag, tokens[position + 1].content.strip(), line)
            case "paragraph_open":
                reader.paragraph(tokens[position + 1].content, line, bullet=in_item)
            case "bullet_list_open" if in_item:
                raise reader.fail(line, "a list inside a list; write one level of bullets")
            case "list_item_open":
                in_item = True
                if tokens[position + 1].type == "list_item_close":
                    raise reader.fail(line, "an empty bullet; write a rule or remove it")
            case "list_item_close":
                in_item = False
            case "html_block" if _is_comment(token):
                continue
            case "heading_close" | "paragraph_close" | "inline" | "bullet_list_open" | "bullet_list_close":
                continue
            case _:
                kind = token.type.removesuffix("_open").replace("_", " ")
                raise reader.fail(line, f"{kind} has no meaning here; use headings, sentences and bullets")
    return reader.finish()


def _is_comment(token: Token) -> bool:
    return token.content.strip().startswith("<!--") and token.content.strip().endswith("-->")


def render(constitution: Constitution) -> str:
    """Write a constitution as Markdown that parses back to the same rules in the same order."""
    lines = [f"# {constitution.title}", ""]
    if constitution.preamble:
        lines += [constitution.preamble, ""]
    for heading, polarity in HEADINGS.items():
        categories = constitution.of(polarity)
        if not categories:
            continue
        lines += [f"## {heading}", ""]
        for category in categories:
            lines += [f"### {category.name}", ""]
            previous_bullet = False
            for rule in category.rules:
                if previous_bullet and not rule.bullet:
                    lines.append("")
                lines.append(f"- {rule.text}" if rule.bullet else rule.text)
                if not rule.bullet:
                    lines.append("")
                previous_bullet = rule.bullet
            if previous_bullet:
                lines.append("")
    return "\n".join(lines)


def shipped() -> tuple[str, ...]:
    """Return the names of the constitutions that come with the package."""
    folder = resources.files("gruyere.constitution") / "shipped"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".md")))


def load(name_or_path: str) -> Constitution:
    """Load a constitution from a file, or a shipped one by its name.

    Raises:
        UsageError: If there is neither such a file nor such a shipped constitution.
    """
    path = Path(name_or_path)
    if path.suffix != ".md" and name_or_path in shipped():
        text = (resources.files("gruyere.constitution") / "shipped" / f"{name_or_path}.md").read_text("utf-8")
        return parse(text, f"{name_or_path}.md")
    try:
        return parse(path.read_text("utf-8"), str(path))
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(
            f"{name_or_path}: no such constitution; give a Markdown file or one of {', '.join(shipped())}"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name_or_path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
