"""Servers that play Vault and GitHub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.peers import faults
from tests.interop.peers.faults import FaultyServer
from tests.unit.sources.support import Told


@pytest.fixture(scope="session")
def listening() -> Iterator[FaultyServer]:
    """A server on loopback; to start and stop one takes longer than most tests."""
    with faults.running() as running:
        yield running


@pytest.fixture
def server(listening: FaultyServer) -> FaultyServer:
    """A server that answers what its queue holds, then 404, and has been asked nothing so far."""
    listening.faults.clear()
    listening.endless = None
    listening.asked.clear()
    return listening


@pytest.fixture
def told() -> Told:
    """What a test's run masks and warns of."""
    return Told()
