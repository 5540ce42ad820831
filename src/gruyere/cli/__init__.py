"""The `gruyere` command. Parses, calls, shows; what is called does not know that there is a command line."""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 a check is not met, 2 misuse, 3 an upstream failed.

    Args:
        arguments: Words after `gruyere`; None takes those of the process.
    """
    from gruyere.cli.app import app
    from gruyere.cli.running import guarded

    return guarded(lambda: app(args=arguments, prog_name="gruyere"))
