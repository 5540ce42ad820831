"""Shared set-up: no test reaches beyond this machine."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("gruyere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gruyere")


@pytest.fixture(autouse=True)
def _only_this_machine(socket_disabled_beyond_loopback: None) -> None:
    """Apply the loopback rule to every test."""


@pytest.fixture
def socket_disabled_beyond_loopback() -> None:
    """Refuse connections to any address but this machine's own."""
    import pytest_socket

    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
