"""Decoded readings of obfuscated text, found by statistics, streaming and bounded."""

from gruyere.views.reader import CHAINS, DEPTH, ViewReader, read_views
from gruyere.views.view import Chain, View, ViewChunk

__all__ = ["CHAINS", "DEPTH", "Chain", "View", "ViewChunk", "ViewReader", "read_views"]
