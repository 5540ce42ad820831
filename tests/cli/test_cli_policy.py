"""`gruyere constitution`, `transforms`, `init` and the command itself."""

from pathlib import Path

import pytest
from command_line import CommandLine, misuse, run_script

from gruyere.pipeline import open_project

_POLICY = """\
# Tea
Guards tea.
## Harmful
### Brewing
Brewing times for tea.
## Harmless
### Cups
Which cups are pretty.
"""


def test_version_and_help_end_well(gruyere: CommandLine) -> None:
    assert gruyere("--version").out.startswith("gruyere 0.")
    shown = gruyere("--help")
    assert shown.code == 0
    for command in ("init", "build", "score", "serve", "chat", "demo", "releases", "transforms", "batch"):
        assert command in shown.out


def test_an_unknown_command_or_option_is_misuse(gruyere: CommandLine) -> None:
    assert gruyere("bild").code == 2
    assert gruyere("score", "--nope").code == 2
    assert gruyere("serve", "--port", "70000").code == 2


def test_the_shipped_constitution_passes_its_check(gruyere: CommandLine) -> None:
    checked = gruyere("constitution", "check", "cake", "--json")
    assert checked.code == 0
    assert checked.content["harmful"] >= 8
    assert checked.content["harmless"] >= 14
    assert "No faults" in gruyere("constitution", "check").out


def test_a_faulty_constitution_names_file_and_line(gruyere: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "tea.md"
    file.write_text(_POLICY.replace("## Harmless", "## Nice"), encoding="utf-8")
    misuse(gruyere("constitution", "check", file), str(file), ":6")


def test_show_lists_every_rule_with_its_id(gruyere: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "tea.md"
    file.write_text(_POLICY, encoding="utf-8")
    shown = gruyere("constitution", "show", file, "--json").content
    rules = [rule["id"] for category in shown["categories"] for rule in category["rules"]]
    text = gruyere("constitution", "show", file).out
    assert len(rules) == 2
    assert all(rule in text for rule in rules)


def test_diff_lists_the_reworded_rule(gruyere: CommandLine, tmp_path: Path) -> None:
    before, after = tmp_path / "a.md", tmp_path / "b.md"
    before.write_text(_POLICY, encoding="utf-8")
    after.write_text(_POLICY.replace("Brewing times for tea.", "Brewing times for black tea."), encoding="utf-8")
    changes = gruyere("constitution", "diff", before, after, "--json").content
    assert len(changes) == 1
    assert changes[0]["before"]["text"] == "Brewing times for tea."
    assert changes[0]["after"]["text"] == "Brewing times for black tea."
    assert "black tea" in gruyere("constitution", "diff", before, after).out
    assert "No rule differs" in gruyere("constitution", "diff", before, before).out


def test_transforms_are_listed_shown_and_applied(gruyere: CommandLine) -> None:
    listed = gruyere("transforms", "list", "--json").content
    assert {"base64", "rot13", "role_play", "keyword_swap"} <= {row["name"] for row in listed}
    assert "base64" in gruyere("transforms", "list").out
    assert gruyere("transforms", "show", "hex", "--json").content["family"] == "encoding"
    applied = gruyere("transforms", "apply", "rot13", "--text", "uryyb", "--json").content
    assert "hello" in applied["messages"][-1]["content"]
    again = gruyere("transforms", "apply", "role_play", "hex", "--text", "Hello there", "--seed", "3")
    assert again.out == gruyere("transforms", "apply", "role_play", "hex", "--text", "Hello there", "--seed", "3").out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("transforms", "show", "rot14"), "rot14"),
        (("transforms", "apply", "hex", "hex", "hex", "hex", "--text", "a"), "at most 3"),
        (("transforms", "apply", "hex", "--text", "  "), "--text"),
        (("constitution", "check", "nowhere.md"), "nowhere.md"),
    ],
)
def test_what_does_not_exist_is_one_line(gruyere: CommandLine, arguments: tuple[str, ...], part: str) -> None:
    misuse(gruyere(*arguments), part)


def test_init_writes_a_project_that_opens_and_never_overwrites(gruyere: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    assert len(gruyere("init", folder, "--json").content["written"]) == 2
    assert open_project(folder).constitution.title == "Cake"
    misuse(gruyere("init", folder), "exists already")
    misuse(gruyere("init", tmp_path / "other", "--constitution", "tea"), "'tea'", "cake")
    assert not (tmp_path / "other").exists()


def test_the_installed_script_returns_the_exit_code(tmp_path: Path) -> None:
    assert run_script("--version", cwd=tmp_path).code == 0
    misuse(run_script("constitution", "check", "nowhere.md", cwd=tmp_path), "nowhere.md")
