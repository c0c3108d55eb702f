"""For tests of whoever speaks to Braze: a sandbox of one's own on a free port, and a client for it.

Needs the extra `testing`. Nothing in the sandbox itself imports this module.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import requests

from braze_sandbox.background import STOP_SECONDS, BackgroundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "a-key-of-the-tests"
TIMEOUT_SECONDS = 20.0


@contextlib.contextmanager
def serving(database: Path, port: int = 0) -> Iterator[str]:
    """Serve from a process of this one's own for as long as the block lasts; for tests.

    Args:
        database: Where profiles are kept.
        port: Where to listen; 0 is any free port.

    Yields:
        The address.

    Raises:
        BackgroundError: If the server does not start.
    """
    command = [sys.executable, "-m", "braze_sandbox", "serve", "--port", str(port), "--database", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise BackgroundError("The sandbox ended at once; it said why on standard error.")
            yield address
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


class Client:
    """Speaks to one sandbox, as Braze and through its control API."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()
        self.session.trust_env = False

    def track(self, **body: Any) -> requests.Response:
        """Send a body to /users/track."""
        return self.post("/users/track", body)

    def attributes(self, *items: dict[str, Any]) -> requests.Response:
        """Send attributes objects."""
        return self.track(attributes=list(items))

    def post(
        self, path: str, body: Any, timeout: float = TIMEOUT_SECONDS, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """Send a body to Braze."""
        return self.send("POST", path, body, timeout, headers)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        timeout: float = TIMEOUT_SECONDS,
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send a request of any method to Braze."""
        headers = {"Authorization": f"Bearer {KEY}", **(headers or {})}
        return self.session.request(method, self.address + path, json=body, headers=headers, timeout=timeout)

    def get(self, path: str, **query: Any) -> requests.Response:
        """Ask Braze for something."""
        return self.session.get(
            self.address + path, params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=TIMEOUT_SECONDS
        )

    def settings(self, **settings: Any) -> None:
        """Change settings."""
        answer = self.session.put(self.address + "/sandbox/settings", json=settings, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()

    def faults(self, *rules: dict[str, Any]) -> None:
        """Ask for faults."""
        answer = self.session.post(self.address + "/sandbox/faults", json=list(rules), timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()

    def workspace(self) -> str:
        """Return what stands for all it was told so far; another one after a reset."""
        return str(self.session.get(self.address + "/health", timeout=TIMEOUT_SECONDS).json()["workspace"])

    def reset(self) -> None:
        """Forget everything."""
        self.session.post(self.address + "/sandbox/reset", timeout=TIMEOUT_SECONDS).raise_for_status()

    def profiles(self, **query: Any) -> list[dict[str, Any]]:
        """Return profiles."""
        profiles: list[dict[str, Any]] = self.get("/sandbox/profiles", **query).json()["profiles"]
        return profiles

    def profile(self, external_id: str = "p") -> dict[str, Any]:
        """Return the one profile with an external id."""
        (profile,) = self.profiles(external_id=external_id)
        return profile

    def values(self, external_id: str = "p") -> dict[str, Any]:
        """Return a profile's attributes."""
        values: dict[str, Any] = self.profile(external_id)["attributes"]
        return values

    def exists(self, external_id: str) -> bool:
        """Return whether anybody is found by an external id, deprecated ones included."""
        return bool(self.profiles(external_id=external_id))

    def subscriptions(self, external_id: str = "p") -> dict[str, str]:
        """Return a profile's subscription groups: group → `subscribed` or `unsubscribed`."""
        states: dict[str, str] = self.profile(external_id)["subscription_groups"]
        return states

    def catalogs(self) -> dict[str, dict[str, Any]]:
        """Return the catalogs, by name."""
        listed = self.get("/sandbox/catalogs").json()["catalogs"]
        return {catalog["name"]: catalog for catalog in listed}

    def catalog_items(self, catalog: str) -> dict[str, dict[str, Any]]:
        """Return the items of a catalog, by id."""
        items = self.get(f"/sandbox/catalogs/{catalog}/items", limit=100_000).json()["items"]
        return {item["id"]: item for item in items}

    def cohorts(self) -> list[dict[str, Any]]:
        """Return the cohorts: partner, cohort_id, name, created_at and the number of members."""
        listed: list[dict[str, Any]] = self.get("/sandbox/cohorts").json()["cohorts"]
        return listed

    def cohort_members(self, partner: str, cohort_id: str) -> list[str | None]:
        """Return the external ids of who is in a cohort, in the order in which their profiles were made."""
        profiles = self.get("/sandbox/cohorts/members", partner=partner, cohort_id=cohort_id).json()["profiles"]
        return [profile["external_id"] for profile in profiles]

    def stats(self) -> dict[str, Any]:
        """Return the counts."""
        stats: dict[str, Any] = self.get("/sandbox/stats").json()
        return stats

    def requests(self) -> list[dict[str, Any]]:
        """Return the recorded requests."""
        recorded: list[dict[str, Any]] = self.get("/sandbox/requests").json()["requests"]
        return recorded
