"""`python -m bench`: every benchmark in short form; `python -m bench NAME`: one of them, in full."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from bench import comparison, real_text, streaming
from bench.place import ROOT, Place, Progress, board, public_data
from gruyere.cli.running import guarded, progress_bars
from gruyere.evaluation import Row, Scoreboard

Bench = Callable[[Place, Progress], list[Row]]
BENCHES: Mapping[str, Bench] = {
    "real_text": real_text.run,
    "streaming": streaming.run,
    "comparison": comparison.run,
}


def run_bench(name: str, bench: Bench, place: Place, command: str, progress: Progress) -> Scoreboard:
    """Run one benchmark; print its figures and write them under the results."""
    made = board(bench(place, progress), command)
    made.write(place.results / f"{name}.json")
    Console().print(made.table(f"{name}, with 95 % intervals"))
    return made


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; exit code 1 where a target is not met, 2 on misuse."""
    options = _parser().parse_args(arguments)
    chosen: dict[str, Bench] = dict(BENCHES) if options.name is None else {options.name: BENCHES[options.name]}
    if options.families:
        chosen = {"comparison": partial(comparison.run, families=options.families)}
    place = Place(
        project=options.project,
        public_data=public_data(),
        results=ROOT / "bench" / "results",
        docs=ROOT / "docs",
        short=options.name is None,
        workers=options.workers,
    )
    command = " ".join(["python -m bench", *arguments])
    boards: list[Scoreboard] = []

    def work() -> None:
        for name, bench in chosen.items():
            # A short comparison is no substitute for the full one, whose figures are kept.
            file = f"{name}_short" if place.short and name == "comparison" else name
            with progress_bars() as progress:
                boards.append(run_bench(file, bench, place, command, progress))

    code = guarded(work)
    return code or int(not all(made.met for made in boards))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHES, help="one benchmark, in full; without it all, in short")
    parser.add_argument("--project", type=Path, default=ROOT / "demo", help="folder of the project that is measured")
    parser.add_argument("--workers", type=int, default=2, help="processes that score")
    parser.add_argument("--families", nargs="+", default=(), help="comparison: train these alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
