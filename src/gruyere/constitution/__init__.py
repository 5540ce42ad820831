"""The policy text: parsed, checked, rendered and compared. Knows no model and no data."""

from gruyere.constitution.difference import RuleChange, diff
from gruyere.constitution.document import Category, Constitution, Rule, slug_of
from gruyere.constitution.parsing import load, parse, render, shipped

__all__ = [
    "Category",
    "Constitution",
    "Rule",
    "RuleChange",
    "diff",
    "load",
    "parse",
    "render",
    "shipped",
    "slug_of",
]
