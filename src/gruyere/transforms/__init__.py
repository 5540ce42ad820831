"""Label-preserving rewrites of exchanges: augmentation for training, attack against a guard."""

from gruyere.transforms.codewords import NOUNS, agreed_codewords, keyword_swap
from gruyere.transforms.encoders import DECODERS, ENCODERS
from gruyere.transforms.formats import requested_format
from gruyere.transforms.registry import DEEPEST, LONGEST, TRANSFORMS, apply_chain, families, find, register
from gruyere.transforms.transform import Transform
from gruyere.transforms.translations import translation

__all__ = [
    "DECODERS",
    "DEEPEST",
    "ENCODERS",
    "LONGEST",
    "NOUNS",
    "TRANSFORMS",
    "Transform",
    "agreed_codewords",
    "apply_chain",
    "families",
    "find",
    "keyword_swap",
    "register",
    "requested_format",
    "translation",
]
