"""Configuration: what is checked, and what a fault says."""

from pathlib import Path

import pytest
from tiny_project import CONFIG, make_project

from gruyere.pipeline import build_project, init_project, open_project, run_demo
from gruyere.pipeline.project import FILE, FOLDER, parse_config, shipped_config
from gruyere.values import UsageError


def test_the_shipped_configuration_opens_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    project = open_project()
    assert project.constitution.title == "Cake"
    assert project.folder == tmp_path / FOLDER
    assert set(project.config.classifiers) == {"input", "output", "exchange"}
    assert not project.folder.exists()


def test_an_initialised_project_is_the_shipped_one_with_a_constitution_of_its_own(tmp_path: Path) -> None:
    written = init_project(tmp_path / "mine")
    assert {path.name for path in written} == {FILE, "constitution.md"}
    project = open_project(tmp_path / "mine")
    shipped = parse_config(shipped_config(), "cake.toml")
    assert project.config == shipped.model_copy(update={"constitution": "constitution.md"})
    with pytest.raises(UsageError, match="exists already; choose another folder"):
        init_project(tmp_path / "mine")


def test_a_project_reads_the_constitution_beside_it(tmp_path: Path) -> None:
    assert make_project(tmp_path).constitution.title == "Tea"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[calibration]\n", "[calibration]\ncolour = 1\n", r"calibration\.colour: .*remove or rename the key"),
        ("general = 0.4", "general = 1.5", r"calibration\.general: Input should be less than 1"),
        ('kind = "linear"', 'kind = "oracle"', r"classifiers\.input: .*'oracle'.* \(and 1 more\)"),
        ("[roles]", "[roles]\nbaker = { backend = 'recorded' }", "roles.baker"),
        ("[roles]", "[roles", r"gruyere\.toml: not valid TOML"),
        ("per_harmful = 1", "per_harmful = -1", r"augmentation\.per_harmful"),
        ("twins_per_topic = 2", "twins_per_topic = 2\nsplit = { train = 0.9, calibration = 0.2 }", "synthesis.split"),
    ],
)
def test_a_fault_names_file_and_field(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in CONFIG
    with pytest.raises(UsageError, match=message) as error:
        make_project(tmp_path, config=CONFIG.replace(before, after))
    assert str(tmp_path / FILE) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder; make one with `gruyere init"):
        open_project(tmp_path / "nowhere")


def test_a_constitution_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="constitution"):
        make_project(tmp_path, config=CONFIG.replace("constitution.md", "missing.md"))


def test_an_unwritten_shipped_name_is_an_error() -> None:
    with pytest.raises(UsageError, match="no shipped project 'bread'; shipped: cake"):
        shipped_config("bread")


def test_a_general_category_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no harmless category 'Space travel'"):
        build_project(
            make_project(tmp_path, config=CONFIG.replace("[synthesis]", '[synthesis]\ngeneral = ["Space travel"]'))
        )


def test_a_demo_that_fails_leaves_no_scoreboard_and_no_report(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(CONFIG, "utf-8")
    (tmp_path / "constitution.md").write_text("# Tea\n", "utf-8")
    with pytest.raises(UsageError):
        run_demo(tmp_path)
    assert not (tmp_path / "scoreboard.json").exists()
    assert not (tmp_path / "report.html").exists()
