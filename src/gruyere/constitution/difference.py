"""What changed between two constitutions, rule by rule."""

from difflib import SequenceMatcher

from gruyere.constitution.document import Category, Constitution, Rule
from gruyere.values import Polarity, Value

REWORDED_AT = 0.6
"""Least character similarity at which a removed and an added rule of one category count as one reworded."""


class RuleChange(Value):
    """One rule added, removed or reworded; `before` or `after` is None at the open end."""

    category: str
    polarity: Polarity
    before: Rule | None
    after: Rule | None

    @property
    def kind(self) -> str:
        """Return added, removed or reworded."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "reworded"


def diff(before: Constitution, after: Constitution) -> tuple[RuleChange, ...]:
    """List rules added, removed and reworded.

    A category that moved between sections counts as all its rules removed and added,
    since every label that they fed changes.
    """
    changes: list[RuleChange] = []
    old = {(c.slug, c.polarity): c for c in before.categories}
    new = {(c.slug, c.polarity): c for c in after.categories}
    for key, category in old.items():
        changes += _diff_category(category, new.get(key))
    for key, category in new.items():
        if key not in old:
            changes += _diff_category(None, category)
    return tuple(changes)


def _diff_category(old: Category | None, new: Category | None) -> list[RuleChange]:
    subject = new or old
    if subject is None:
        return []
    old_rules = {r.id: r for r in old.rules} if old else {}
    new_rules = {r.id: r for r in new.rules} if new else {}
    removed = [rule for rule_id, rule in old_rules.items() if rule_id not in new_rules]
    added = [rule for rule_id, rule in new_rules.items() if rule_id not in old_rules]
    pairs = sorted(
        ((SequenceMatcher(None, r.text, a.text).ratio(), r, a) for r in removed for a in added),
        key=lambda pair: -pair[0],
    )
    changes: list[RuleChange] = []
    for similarity, r, a in pairs:
        if similarity >= REWORDED_AT and r in removed and a in added:
            changes.append(RuleChange(category=subject.name, polarity=subject.polarity, before=r, after=a))
            removed.remove(r)
            added.remove(a)
    changes += [RuleChange(category=subject.name, polarity=subject.polarity, before=r, after=None) for r in removed]
    changes += [RuleChange(category=subject.name, polarity=subject.polarity, before=None, after=a) for a in added]
    return changes
