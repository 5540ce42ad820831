"""Shared set-up: no test reaches beyond this machine; one small project is built per session."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from command_line import CommandLine

    from gruyere.pipeline import Build, Project

settings.register_profile("gruyere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gruyere")

_SMALL = """\
constitution = "cake"

[roles]
generator = { backend = "recorded", corpus = "cake" }
helpful_only = { backend = "recorded", corpus = "cake" }
judge = { backend = "recorded", corpus = "cake" }
target = { backend = "recorded", corpus = "cake" }

[augmentation]
per_harmful = 1
per_harmless = 0
joined = 0.0
families = ["roleplay", "codeword"]
held_out = ["cipher", "fiction", "injection", "lookalike", "signal", "translation"]

[classifiers]
input = { kind = "linear", epochs = 8 }
output = { kind = "linear", epochs = 8 }
exchange = { kind = "linear", epochs = 8 }

[calibration]
general = 0.05
near_domain = 0.2
multi_turn = 0.2

[evaluation]
attacks_per_question = 2
local_requests = 0
"""


@pytest.fixture(autouse=True)
def _only_this_machine(socket_disabled_beyond_loopback: None) -> None:
    """Apply the loopback rule to every test."""


@pytest.fixture
def socket_disabled_beyond_loopback() -> None:
    """Refuse connections to any address but this machine's own."""
    import pytest_socket

    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def small_config() -> str:
    """Return a gruyere.toml of the shipped cake project that builds in well under a minute."""
    return _SMALL


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory, small_config: str) -> "Project":
    """Return a built small project. It is shared: a test that changes files copies its folder first."""
    from gruyere.pipeline import build_project, open_project

    folder = tmp_path_factory.mktemp("small") / "project"
    folder.mkdir()
    (folder / "gruyere.toml").write_text(small_config, encoding="utf-8")
    project = open_project(folder)
    build_project(project)
    return project


@pytest.fixture(scope="session")
def small_build(small_project: "Project") -> "Build":
    """Return the build of the small project: its release and the data behind it."""
    from gruyere.pipeline import build_project

    return build_project(small_project)


@pytest.fixture
def gruyere(capsys: pytest.CaptureFixture[str]) -> "CommandLine":
    """Return the command line, run in this process."""
    from command_line import CommandLine

    return CommandLine(capsys)
