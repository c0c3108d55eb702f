"""Profiles in SQLite, and the working set through which one request reads and writes them.

The store finds profiles by every identifier, lists and deletes them. A working set holds the profiles of one request:
it reads each once, hands out the same object for the same person, and writes all that were touched in one go.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from braze_sandbox.database import BY_ID
from braze_sandbox.profiles import Profile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from braze_sandbox.identities import Identity

_DECODER = msgspec.json.Decoder(Profile)
_ENCODER = msgspec.json.Encoder()

_BY_EXTERNAL_IDS = "SELECT document FROM profiles JOIN documents USING (id) WHERE external_id IN ({})"
_BY_DEPRECATED_IDS = "SELECT document FROM deprecated_ids JOIN documents USING (id) WHERE external_id IN ({})"
_BY_BRAZE_ID = "SELECT document FROM profiles JOIN documents USING (id) WHERE braze_id = ?"
_BY_DEVICE_ID = """SELECT DISTINCT document FROM tokens JOIN documents USING (id) WHERE device_id = ?"""
_BY_COHORT = "SELECT document FROM members JOIN documents USING (id) WHERE cohort = ? ORDER BY id LIMIT ? OFFSET ?"
_BY_ALIAS = "SELECT document FROM aliases JOIN documents USING (id) WHERE label = ? AND name = ?"
# Braze docs, "POST /users/track", 2026-09: the most recently updated that has an external id, or else the most
# recently updated.
_PREFERENCE = "ORDER BY external_id IS NULL, updated DESC, id DESC"
_BY_EMAIL = f"SELECT document FROM profiles JOIN documents USING (id) WHERE email = ? {_PREFERENCE}"  # noqa: S608
_BY_PHONE = f"SELECT document FROM profiles JOIN documents USING (id) WHERE phone = ? {_PREFERENCE}"  # noqa: S608
_WRITE_PROFILE = """INSERT INTO profiles (id, braze_id, external_id, email, phone, name, updated)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET email = excluded.email, phone = excluded.phone, name = excluded.name,
  updated = excluded.updated"""
_WRITE_DOCUMENT = (
    "INSERT INTO documents (id, document) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document"
)
_WRITE_ALIAS = "INSERT INTO aliases (label, name, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_WRITE_DEVICE = """INSERT INTO tokens (app_id, token, id, device_id) VALUES (?, ?, ?, ?)
  ON CONFLICT (app_id, token, id) DO UPDATE SET device_id = excluded.device_id"""
_MATCHING = r"""external_id = :text OR external_id LIKE :part ESCAPE '\'
  OR email LIKE :part ESCAPE '\' OR name LIKE :part ESCAPE '\'"""

_HAVING = """ OR id IN (SELECT documents.id FROM documents, json_each(CAST(document AS TEXT)) AS part,
  json_each(part.value) AS attribute WHERE part.key IN ('custom', 'standard') AND attribute.key = :name AND (
    CASE WHEN attribute.type IN ('true', 'false') THEN attribute.type ELSE CAST(attribute.value AS TEXT) END = :value
    OR (attribute.type = 'array'
      AND EXISTS (SELECT 1 FROM json_each(attribute.value) AS element WHERE element.value = :value))))"""
"""Who has an attribute of a value, or an array with it: as a segment in Braze asks."""


class ProfileStore:
    """All profiles."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._next_id = 1
        self._has_deprecated_ids = False
        self.refresh()

    def refresh(self) -> None:
        """Learn anew where numbering goes on, after the database was opened, emptied or rolled back."""
        (highest,) = self._connection.execute("SELECT COALESCE(MAX(id), 0) FROM profiles").fetchone()
        self._next_id = highest + 1
        (self._has_deprecated_ids,) = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM deprecated_ids)"
        ).fetchone()

    def next_id(self) -> int:
        """Return a row for a new profile."""
        self._next_id += 1
        return self._next_id - 1

    def count(self, search: str = "") -> int:
        """Return how many profiles there are, or match a search."""
        where, values = _search(search)
        return int(self._connection.execute(f"SELECT COUNT(*) FROM profiles {where}", values).fetchone()[0])  # noqa: S608

    def listed(self, search: str = "", *, newest_first: bool = False, limit: int, offset: int = 0) -> list[Profile]:
        """Return profiles in the order of their creation, or the last written first."""
        where, values = _search(search)
        order = "updated DESC, id DESC" if newest_first else "id"
        ids = f"SELECT id FROM profiles {where} ORDER BY {order} LIMIT :limit OFFSET :offset"  # noqa: S608
        rows = self._connection.execute(
            f"SELECT document FROM ({ids}) JOIN documents USING (id)",  # noqa: S608
            {**values, "limit": limit, "offset": offset},
        )
        return [_DECODER.decode(document) for (document,) in rows]

    def found(self, identity: Identity) -> list[Profile]:
        """Return the profiles an identity means, the preferred one first."""
        kind, value = identity
        if kind == "external_id":
            return list(self.by_external_ids([value]))
        if kind == "user_alias":
            return self._decoded(_BY_ALIAS, value)
        statements = {
            "braze_id": _BY_BRAZE_ID,
            "device_id": _BY_DEVICE_ID,
            "email": _BY_EMAIL,
            "phone": _BY_PHONE,
        }
        return self._decoded(statements[kind], (value,))

    def by_external_ids(self, external_ids: list[str]) -> Iterator[Profile]:
        """Return the profiles that have one of these external ids, or had it before a renaming."""
        places = ",".join("?" * len(external_ids))
        found = self._decoded(_BY_EXTERNAL_IDS.format(places), tuple(external_ids))
        if self._has_deprecated_ids:
            found += self._decoded(_BY_DEPRECATED_IDS.format(places), tuple(external_ids))
        return iter(found)

    def members(self, cohort: str, limit: int = -1, offset: int = 0) -> list[Profile]:
        """Return who is in a cohort, in the order of their creation; -1 is all of them."""
        return self._decoded(_BY_COHORT, (cohort, limit, offset))

    def count_members(self, cohort: str) -> int:
        """Return how many are in a cohort."""
        return int(self._connection.execute("SELECT COUNT(*) FROM members WHERE cohort = ?", (cohort,)).fetchone()[0])

    def has_token(self, app_id: str, token: str) -> bool:
        """Return whether anybody has this push token."""
        statement = "SELECT EXISTS (SELECT 1 FROM tokens WHERE app_id = ? AND token = ?)"
        return bool(self._connection.execute(statement, (app_id, token)).fetchone()[0])

    def delete(self, ids: Iterable[int]) -> None:
        """Delete profiles, within the transaction that is open."""
        rows = [(each,) for each in ids]
        for table in ("profiles", "documents", *BY_ID):
            self._connection.executemany(f"DELETE FROM {table} WHERE id = ?", rows)  # noqa: S608

    def write_identifiers(self, profiles: Iterable[Profile]) -> None:
        """Write anew by what these profiles are found, where that has changed; `write` does the rest."""
        profiles = list(profiles)
        rows = [(profile.id,) for profile in profiles]
        for table in ("aliases", "deprecated_ids", "members"):
            self._connection.executemany(f"DELETE FROM {table} WHERE id = ?", rows)  # noqa: S608
        # All of them first without one, so that an external id can go from one to another.
        self._connection.executemany("UPDATE profiles SET external_id = NULL WHERE id = ?", rows)
        self._connection.executemany(
            "UPDATE profiles SET external_id = ? WHERE id = ?", [(each.external_id, each.id) for each in profiles]
        )
        deprecated = [(old, each.id) for each in profiles for old in each.deprecated_ids]
        self._connection.executemany("INSERT INTO deprecated_ids (external_id, id) VALUES (?, ?)", deprecated)
        self._has_deprecated_ids = self._has_deprecated_ids or bool(deprecated)
        members = [(cohort, each.id) for each in profiles for cohort in each.cohorts]
        self._connection.executemany("INSERT INTO members (cohort, id) VALUES (?, ?)", members)

    def write(self, profiles: Iterable[Profile]) -> None:
        """Write profiles whole, within the transaction that is open."""
        rows: list[tuple[Any, ...]] = []
        documents: list[tuple[int, bytes]] = []
        aliases: list[tuple[str, str, int]] = []
        tokens: list[tuple[str, str, int, str | None]] = []
        for profile in profiles:
            standard = profile.standard
            rows.append(
                (
                    profile.id,
                    profile.braze_id,
                    profile.external_id,
                    standard.get("email"),
                    standard.get("phone"),
                    profile.name,
                    profile.updated,
                )
            )
            documents.append((profile.id, _ENCODER.encode(profile)))
            aliases.extend((label, name, profile.id) for label, name in profile.aliases.items())
            if "push_tokens" in standard:
                tokens += [
                    (each["app_id"], each["token"], profile.id, each.get("device_id"))
                    for each in standard["push_tokens"]
                ]
        self._connection.executemany(_WRITE_PROFILE, rows)
        self._connection.executemany(_WRITE_DOCUMENT, documents)
        if aliases:
            self._connection.executemany(_WRITE_ALIAS, aliases)
        if tokens:
            self._connection.executemany(_WRITE_DEVICE, tokens)

    def _decoded(self, statement: str, values: tuple[Any, ...]) -> list[Profile]:
        return [_DECODER.decode(document) for (document,) in self._connection.execute(statement, values)]


class WorkingSet:
    """The profiles of one request; call `write` within a transaction at its end."""

    def __init__(self, store: ProfileStore) -> None:
        self._store = store
        self._profiles: dict[int, Profile] = {}
        self._by_external_id: dict[str, Profile | None] = {}
        self._touched: dict[int, Profile] = {}
        self._made: set[int] = set()
        self._renamed: dict[int, Profile] = {}
        self._removed: set[int] = set()
        self.created: list[Profile] = []

    def load(self, identities: Iterable[Identity | None]) -> None:
        """Read the people named by external id or alias in as few statements as there can be."""
        wanted = set()
        for identity in identities:
            if identity and identity.kind == "external_id":
                wanted.add(identity.value)
            elif identity and identity.kind == "user_alias":
                self.found(identity)
        self._by_external_id.update(dict.fromkeys(wanted))
        for profile in self._store.by_external_ids(sorted(wanted)):
            self._known(profile)

    def found(self, identity: Identity) -> list[Profile]:
        """Return the profiles an identity means, as they are within this request."""
        if identity.kind == "external_id" and identity.value in self._by_external_id:
            profile = self._by_external_id[identity.value]
            return [profile] if profile else []
        self.write()  # so that the look-up sees what this request has done so far
        return [self._known(profile) for profile in self._store.found(identity)]

    def made(self, identity: Identity | None, now: float) -> Profile:
        """Return a new profile for an identity that nobody has yet."""
        profile = Profile(id=self._store.next_id(), braze_id=os.urandom(12).hex(), created=now, updated=now)
        if identity and identity.kind == "external_id":
            profile.external_id = identity.value
        elif identity and identity.kind == "user_alias":
            label, name = identity.value
            profile.aliases[label] = name
        elif identity:
            profile.standard[identity.kind] = identity.value
            profile.changed[identity.kind] = now
        self._made.add(profile.id)
        self.created.append(profile)
        self.touch(self._known(profile), now)
        return profile

    def touch(self, profile: Profile, now: float) -> None:
        """Note that a profile is to be written."""
        profile.updated = now
        self._touched[profile.id] = profile

    def rename(self, profile: Profile, now: float) -> None:
        """Note that the identifiers of a profile or its cohorts became others."""
        self.touch(profile, now)
        self._renamed[profile.id] = profile
        self._forget(profile)
        self._known(profile)

    def remove(self, profile: Profile) -> None:
        """Delete a profile; from now on nobody finds it."""
        for known in (self._profiles, self._touched, self._renamed):
            known.pop(profile.id, None)
        self._forget(profile)
        self._removed.add(profile.id)
        self._made.discard(profile.id)
        self.created = [each for each in self.created if each is not profile]

    def has_token(self, app_id: str, token: str) -> bool:
        """Return whether anybody has this push token, as they are within this request."""
        self.write()
        return self._store.has_token(app_id, token)

    def write(self) -> None:
        """Write what was touched since the last time."""
        if self._removed:
            self._store.delete(self._removed)
            self._removed = set()
        if self._renamed:
            self._store.write_identifiers(self._renamed.values())
            self._renamed = {}
        if self._touched:
            self._adopt_ids()
            self._store.write(self._touched.values())
            self._touched = {}
            self._made = set()

    def _forget(self, profile: Profile) -> None:
        """Forget by which external ids a profile was found."""
        for external_id, owner in self._by_external_id.items():
            if owner is profile:
                self._by_external_id[external_id] = None

    def _adopt_ids(self) -> None:
        """Take over the rows of people whom another request made while this one waited (a lost update)."""
        made = {p.external_id: p for i in self._made if (p := self._touched[i]).external_id is not None}
        if not made:
            return
        for other in self._store.by_external_ids(sorted(made)):
            mine = made.get(other.external_id or "")
            if mine is None:
                continue
            del self._touched[mine.id]
            mine.id, mine.braze_id = other.id, other.braze_id
            self._touched[mine.id] = mine

    def _known(self, profile: Profile) -> Profile:
        known = self._profiles.setdefault(profile.id, profile)
        if known.external_id is not None:
            self._by_external_id[known.external_id] = known
        for external_id in known.deprecated_ids:
            self._by_external_id[external_id] = known
        return known


def _search(text: str) -> tuple[str, dict[str, str]]:
    if not text:
        return "", {}
    part = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    name, equals, value = (each.strip() for each in text.partition("="))
    if not (name and equals):
        return f"WHERE {_MATCHING}", {"text": text, "part": f"%{part}%"}
    return f"WHERE {_MATCHING}{_HAVING}", {"text": text, "part": f"%{part}%", "name": name, "value": value}
