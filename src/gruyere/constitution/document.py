"""The constitution as records: categories and rules with stable ids."""

import hashlib
import re
import unicodedata

from pydantic import Field

from gruyere.values import Polarity, UsageError, Value

HEADINGS: dict[str, Polarity] = {"Harmful": "harmful", "Monitored": "monitored", "Harmless": "harmless"}


def slug_of(name: str) -> str:
    """Return a lower-case, hyphenated ASCII form of a name.

    Raises:
        UsageError: If nothing of the name survives, as with a name of symbols alone.
    """
    plain = unicodedata.normalize("NFKD", name)
    words = re.findall(r"\w+", plain.casefold())
    slug = "-".join("".join(c for c in word if not unicodedata.combining(c)) for word in words)
    if not slug:
        raise UsageError(f"the name {name!r} has no letters or digits; name the category in words")
    return slug


class Rule(Value):
    """One sentence or bullet of a category. Its id changes when its words change, not when it moves."""

    id: str
    text: str
    bullet: bool = False
    line: int = Field(ge=1)
    """Line in the constitution file; not part of the rule's identity."""

    @classmethod
    def of(cls, category_slug: str, text: str, *, bullet: bool, line: int) -> "Rule":
        """Name a rule by its category's slug and a digest of its words, white space aside."""
        words = " ".join(text.split())
        return cls(
            id=f"{category_slug}/{hashlib.sha256(words.encode()).hexdigest()[:8]}",
            text=words,
            bullet=bullet,
            line=line,
        )


class Category(Value):
    """One harmful, monitored or harmless class."""

    name: str
    polarity: Polarity
    rules: tuple[Rule, ...]
    line: int = Field(ge=1)

    @property
    def slug(self) -> str:
        """The category's name in ids, files and tables."""
        return slug_of(self.name)


class Constitution(Value):
    """The whole policy: a title, a preamble for readers, and categories."""

    title: str
    preamble: str = ""
    categories: tuple[Category, ...]

    def of(self, polarity: Polarity) -> tuple[Category, ...]:
        """Return the categories of one polarity, in file order."""
        return tuple(c for c in self.categories if c.polarity == polarity)

    @property
    def rules(self) -> tuple[tuple[Category, Rule], ...]:
        """All rules with their categories, in file order."""
        return tuple((category, rule) for category in self.categories for rule in category.rules)

    def rule(self, rule_id: str) -> tuple[Category, Rule]:
        """Return one rule and its category.

        Raises:
            UsageError: If no rule has this id.
        """
        for category, rule in self.rules:
            if rule.id == rule_id:
                return category, rule
        raise UsageError(f"no rule {rule_id!r} in constitution {self.title!r}; `gruyere constitution show` lists them")

    @property
    def content(self) -> "Constitution":
        """The same constitution with line numbers cleared, so that moving a rule changes nothing."""
        return self.model_copy(
            update={
                "categories": tuple(
                    c.model_copy(update={"line": 1, "rules": tuple(r.model_copy(update={"line": 1}) for r in c.rules)})
                    for c in self.categories
                )
            }
        )
