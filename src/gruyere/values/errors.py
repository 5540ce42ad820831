"""Errors raised on purpose.

* UsageError: the caller can fix it (constitution, configuration, arguments, input rows); exit code 2
* ArtifactError: stored content is missing, truncated or fails its digest; exit code 2
* UpstreamError: a language model was unreachable or answered nonsense; exit code 3

Every message says what is wrong, where, and what to do, in one line.
"""


class GruyereError(Exception):
    """Root of every error raised on purpose."""


class UsageError(GruyereError):
    """The caller can fix it: configuration, constitution, arguments or input rows."""


class ArtifactError(GruyereError):
    """Stored content is missing, truncated or does not match its digest."""


class UpstreamError(GruyereError):
    """A language model was unreachable or answered something unusable."""


class CalibrationError(UsageError):
    """A pool cannot resolve its false-positive budget, or no threshold meets it."""
