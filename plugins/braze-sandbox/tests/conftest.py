"""One real sandbox for the session, and a client that finds it empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from braze_sandbox.testing import Client, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve for the whole session."""
    with serving(tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite") as address:
        yield Client(address)


@pytest.fixture
def braze(served: Client) -> Client:
    """Return a client of a sandbox that knows nothing yet."""
    served.reset()
    return served
