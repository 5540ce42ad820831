"""gruyere: a written policy becomes calibrated classifiers that guard a language model."""

__version__ = "0.1.0"
