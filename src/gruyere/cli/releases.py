"""`gruyere releases list | show`."""

from typing import Annotated

import typer
from rich.table import Table

from gruyere.classifiers.serving.current import built_releases, current_release
from gruyere.classifiers.serving.release import Manifest, Release, read_manifest
from gruyere.cli.choosing import AsJson, Folder, release_folder, results_of
from gruyere.cli.running import out, print_json
from gruyere.values import UsageError

app = typer.Typer(help="Look at the releases of a project.", no_args_is_help=True)


@app.command("list")
def list_all(project: Folder = None, as_json: AsJson = False) -> None:
    """List releases, newest first; a star marks the one in use."""
    results = results_of(project)
    found = built_releases(results)
    try:
        current = current_release(results)
    except UsageError:
        current = None
    rows = [(folder, read_manifest(folder), folder == current) for folder in found]
    if as_json:
        print_json([{**_facts(m), "current": used, "folder": str(folder)} for folder, m, used in rows])
        return
    if not rows:
        out.print("no release yet; run `gruyere build`")
        return
    table = Table("", "name", "constitution", "sides", "calibration recall", pad_edge=False)
    for _, manifest, used in rows:
        recall = next(iter(manifest.thresholds.values())).calibration.recall
        sides = ", ".join(manifest.thresholds)
        table.add_row("*" if used else "", manifest.name, manifest.constitution_title, sides, f"{recall:.1%}")
    out.print(table)


@app.command()
def show(
    release: Annotated[
        str | None, typer.Argument(help="Folder of a release, or its name; default: the current one.")
    ] = None,
    project: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Check every file of a release against its digest, and show thresholds with their evidence."""
    folder = release_folder(project, release)
    manifest = Release.load(folder).manifest
    if as_json:
        print_json({"folder": str(folder), **manifest.model_dump(mode="json")})
        return
    for key, value in _facts(manifest).items():
        out.print(f"{key}: {value}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"folder: {folder} ({len(manifest.files)} files, every digest agrees)", highlight=False, soft_wrap=True)
    out.print(_thresholds(manifest), _pools(manifest))


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "name": manifest.name,
        "constitution": manifest.constitution_title,
        "constitution_digest": manifest.constitution_digest,
        "data_digest": manifest.data_digest,
        "known_families": list(manifest.known_families),
        "held_out_families": list(manifest.held_out_families),
        "thresholds": {side: t.value for side, t in manifest.thresholds.items()},
    }


def _thresholds(manifest: Manifest) -> Table:
    table = Table("side", "blocks at score", pad_edge=False)
    for side, threshold in manifest.thresholds.items():
        table.add_row(side, f"{threshold.value:.4f}")
    return table


def _pools(manifest: Manifest) -> Table:
    """Return the evidence, which all sides share: they are calibrated together."""
    evidence = next(iter(manifest.thresholds.values())).calibration
    title = f"Calibration: {evidence.recall:.1%} of {evidence.attacks} attacks stopped within these budgets"
    table = Table("benign pool", "n", "blocked", "upper 95 %", "budget", title=title, title_justify="left")
    for pool in evidence.pools:
        table.add_row(pool.pool, str(pool.n), str(pool.blocked), f"{pool.upper:.2%}", f"{pool.budget:.2%}")
    return table
