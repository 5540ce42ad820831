"""From a constitution to labelled exchanges: topics, requests, answers, twins, filters, splits."""

from gruyere.synthesis.asking import Ask
from gruyere.synthesis.config import Amounts, SplitShares, SynthesisConfig
from gruyere.synthesis.records import Draft, Problem, Topic, Translation
from gruyere.synthesis.synthesis import Synthesis, synthesize

__all__ = [
    "Amounts",
    "Ask",
    "Draft",
    "Problem",
    "SplitShares",
    "Synthesis",
    "SynthesisConfig",
    "Topic",
    "Translation",
    "synthesize",
]
