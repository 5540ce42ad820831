"""Every measurement, each figure beside its anchor: `make bench`, or `python -m bench NAME`."""
