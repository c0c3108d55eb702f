"""The ledger on real files: what it remembers, whose it is, and what is left of it when its process is killed."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from target_braze import entries, ledger_files, store_keys
from target_braze import ledger as ledger_module
from target_braze.entries import Entry
from target_braze.errors import LedgerError
from target_braze.ledger import Ledger, is_ledger
from target_braze.ledger_contents import LedgerCheck
from target_braze.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LEDGER_KEY = "words" * 13
OWNER: dict[str, Any] = {"endpoint": "https://rest.fra-01.braze.eu", "api_key": "made-up-key"}


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


def entry(number: int, version: int = 0) -> bytes:
    """What is known of the person with a number, whose record is `digest(number + version)`."""
    return entries.encode(Entry(1, number.to_bytes(8, "big"), {1: digest(number + version)}))


def put(ledger: Ledger, *numbers: int) -> None:
    ledger.put_many([(digest(number), entry(number)) for number in numbers])
    ledger.table.add_all([digest(number) for number in numbers])


def known(ledger: Ledger) -> dict[bytes, bytes]:
    return dict(ledger.items())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "made" / "ledger"


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[..., Ledger]]:
    """Open the ledger; it is closed at the end."""
    made: list[Ledger] = []

    def open_ledger(**options: Any) -> Ledger:
        made.append(Ledger.open(folder, **{"ledger_key": LEDGER_KEY, **OWNER, **options}))
        return made[-1]

    yield open_ledger
    for ledger in made:
        ledger.close()


class TestWhatItRemembers:
    def test_all_that_was_put_is_there_the_next_time(self, opened: Callable[..., Ledger]) -> None:
        with opened() as ledger:
            put(ledger, *range(100))
            ledger.meta_put("layouts", b"a")
            ledger.put_many([(digest(7), entry(7, 1000))])
            ledger.meta_put("names", b"b")
        with opened() as ledger:
            assert ledger.get(digest(1)) == entry(1)
            assert ledger.get_many([digest(7), digest(500), digest(2)]) == [entry(7, 1000), None, entry(2)]
            assert ledger.get_many([]) == []
            assert len(known(ledger)) == 100
            assert [ledger.meta_get(name) for name in ("layouts", "names", "other")] == [b"a", b"b", None]
            assert digest(99) in ledger.table

    def test_small_values_and_its_own_are_nobody(self, opened: Callable[..., Ledger]) -> None:
        with opened() as ledger:
            ledger.meta_put("p", b"like an identity")
            assert known(ledger) == {}
            assert ledger.stats().identities == 0

    def test_a_later_value_stands_for_the_earlier(self, opened: Callable[..., Ledger]) -> None:
        ledger = opened()
        ledger.put_many([(digest(1), entry(1)), (digest(1), entry(1, 5))])
        assert ledger.get(digest(1)) == entry(1, 5)

    def test_the_forgotten_are_in_no_file(self, opened: Callable[..., Ledger], folder: Path) -> None:
        rare = digest(5)[:8] + bytes.fromhex("1f2e3d4c5b6a7988")
        with opened() as ledger:
            put(ledger, 1)
            ledger.put_many([(digest(5), entries.encode(Entry(1, b"", {1: rare})))])
            ledger.table.add_all([rare])
            (value,) = ledger._store.get_many([store_keys.IDENTITY + digest(5)])
            assert value is not None
        traces = {"store": value[8:], ledger_files.TABLE: rare[8:]}
        for place, trace in traces.items():
            assert {name.split("/")[0] for name, content in contents(folder).items() if trace in content} == {place}
        with opened() as ledger:
            assert ledger.delete(digest(5))
            assert not ledger.delete(digest(5))
            assert rare not in ledger.table
        assert not [name for name, content in contents(folder).items() for trace in traces.values() if trace in content]
        with opened() as ledger:
            assert known(ledger) == {digest(1): entry(1)}
            assert ledger.check().is_sound

    def test_hashes_are_in_no_file_as_they_are(self, opened: Callable[..., Ledger], folder: Path) -> None:
        """Of a short value XXH3 can be run backwards: whoever has the folder without the key must not see any."""
        hashes = bytes(range(100, 180))
        with opened(ledger_key="set") as ledger:
            ledger.put_many([(digest(5), entries.encode(Entry(1, hashes)))])
            assert ledger.get(digest(5)) == entries.encode(Entry(1, hashes))
        assert not [name for name, content in contents(folder).items() if hashes[:8] in content]

    def test_who_is_not_in_it_costs_no_read(self, opened: Callable[..., Ledger], folder: Path) -> None:
        """A filter that is lost when the store is opened again, as rocksdict loses the one of BlockBasedOptions."""
        for _ in range(3):
            opened().close()
        newest = max((folder / "store").glob("OPTIONS-*"))
        assert "filter_policy=bloomfilter:10:" in newest.read_text()

    def test_what_is_in_it(self, opened: Callable[..., Ledger]) -> None:
        with opened() as ledger:
            assert ledger.stats().written_at is None
            put(ledger, 1, 2, 3)
            ledger.table.discard(digest(3))
        stats = opened().stats()
        assert (stats.identities, stats.records, stats.version) == (3, 2, ledger_module.VERSION)
        assert stats.bytes_on_disk > 1000
        assert stats.written_at is not None

    def test_a_check_finds_what_is_wrong(self, opened: Callable[..., Ledger]) -> None:
        ledger = opened()
        put(ledger, 1, 2)
        assert ledger.check().is_sound
        ledger.table.discard(digest(2))
        assert ledger.check() == LedgerCheck(2, 2, undecodable=0, stray=0, missing=1)
        ledger.table.add_all([digest(9), digest(8)])
        ledger.put_many([(digest(3), b"no entry")])
        found = ledger.check()
        assert (found.stray, found.undecodable, found.missing, found.is_sound) == (2, 1, 1, False)


class TestTheTable:
    def test_it_is_read_from_its_file_after_a_run_that_ended(
        self, opened: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with opened() as ledger:
            put(ledger, 1, 2)
        monkeypatch.setattr(Store, "values", lambda *_: pytest.fail("went through the store"))
        with opened() as ledger:
            assert [digest(number) in ledger.table for number in range(4)] == [False, True, True, False]

    def test_a_run_that_changes_nothing_writes_nothing(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened() as ledger:
            put(ledger, 1)
        before = (folder / ledger_files.TABLE).stat()
        with opened() as ledger:
            assert ledger.get(digest(1)) == entry(1)
            ledger.meta_put("names", b"b")
            ledger.put_many([])
        after = (folder / ledger_files.TABLE).stat()
        assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)

    def test_what_a_run_takes_out_does_not_reach_the_file_before_its_end(self, opened: Callable[..., Ledger]) -> None:
        with opened() as ledger:
            put(ledger, 1)
            table = ledger_files.read_table(ledger.folder, b"other" + bytes(11))
            assert table is None
        with opened() as ledger:
            before = (ledger.folder / ledger_files.TABLE).read_bytes()
            ledger.table.discard(digest(1))
            assert (ledger.folder / ledger_files.TABLE).read_bytes() == before

    @pytest.mark.parametrize("content", [b"", b"short", b"x" * 5000, None])
    def test_without_a_file_that_fits_it_is_made_from_the_store(
        self, opened: Callable[..., Ledger], folder: Path, content: bytes | None
    ) -> None:
        with opened() as ledger:
            put(ledger, *range(10))
        path = folder / ledger_files.TABLE
        path.write_bytes(path.read_bytes()[:-16] if content is None else content)
        with opened() as ledger:
            assert len(ledger.table) == 10
            assert ledger.check().is_sound
        assert len(path.read_bytes()) > 5000  # and written anew, though nothing changed


OPENS = """
import os, resource, signal, sys
from pathlib import Path
from target_braze import entries
from target_braze.entries import Entry
from target_braze.errors import LedgerError
from target_braze.ledger import Ledger

folder, endpoint, api_key, ledger_key, *rest = sys.argv[1:]
ledger = Ledger.open(Path(folder), endpoint=endpoint, api_key=api_key, ledger_key=ledger_key)
"""
WRITES = """
number = int(rest[0])
while True:
    batch = range(number, number + 50)
    for one in batch:  # of a hundred people; what was settled of them before is not any more
        ledger.table.discard(max(one - 100, 0).to_bytes(16, "big"))
    ledger.put_many(
        [
            ((one % 100).to_bytes(16, "big"), entries.encode(Entry(1, b"", {1: one.to_bytes(16, "big")})))
            for one in batch
        ]
    )
    ledger.table.add_all([one.to_bytes(16, "big") for one in batch])
    ledger.sync()
    number += 50
    print(number, flush=True)
"""


@contextmanager
def process(code: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that opens the ledger and then runs some code."""
    command = [sys.executable, "-c", OPENS + code, str(folder), *OWNER.values(), LEDGER_KEY, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


class TestKilled:
    def test_what_was_synced_is_there_and_the_table_says_what_the_store_says(
        self, opened: Callable[..., Ledger], folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with opened() as ledger:
            put(ledger, *range(100))
        synced = 100
        for _ in range(2):
            with process(WRITES, folder, str(synced)) as writer:
                assert writer.stdout is not None
                for _ in range(3):
                    synced = int(writer.stdout.readline())
                writer.send_signal(signal.SIGKILL)  # in the middle of whatever it does now
                for line in writer.stdout:
                    synced = int(line)
            with caplog.at_level(logging.INFO), opened() as ledger:
                found = sorted(one for value in known(ledger).values() for one in entries.record_digests(value))
                newest = int.from_bytes(found[-1], "big")
                assert newest >= synced - 1
                assert newest % 50 == 49  # the batch that was under way is there whole or not at all
                settled = [digest(number) for number in range(newest - 99, newest + 1)]
                assert found == settled
                assert len(ledger.table) == 100
                assert all(one in ledger.table for one in settled)
            assert "did not end by itself" in caplog.text
            caplog.clear()
            synced = newest + 1

    def test_a_run_killed_before_its_first_write_leaves_the_table_good(
        self, opened: Callable[..., Ledger], folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with opened() as ledger:
            put(ledger, 1)
        code = "ledger.table.discard((1).to_bytes(16, 'big')); os.kill(os.getpid(), 9)"
        with process(code, folder) as dying:
            assert dying.wait() == -signal.SIGKILL
        with caplog.at_level(logging.INFO), opened() as ledger:
            assert digest(1) in ledger.table
        assert "did not end" not in caplog.text

    def test_a_rehearsal_sees_what_a_killed_run_left_and_leaves_it(
        self, opened: Callable[..., Ledger], folder: Path
    ) -> None:
        with process(WRITES, folder, "0") as writer:
            assert writer.stdout is not None
            synced = int(writer.stdout.readline())
        (folder / ledger_files.LOCK).write_bytes(b"")  # where the killed one had left its name
        before = contents(folder)
        with opened(is_rehearsal=True) as ledger:
            assert len(known(ledger)) >= min(synced, 100)
            assert ledger.check().is_sound
        assert contents(folder) == before


class TestOneAtATime:
    def test_a_second_process_is_told_who_holds_it(self, opened: Callable[..., Ledger], folder: Path) -> None:
        code = "print('open', flush=True); sys.stdin.read(); ledger.close()"
        with process(code, folder) as holder:
            assert holder.stdout is not None
            assert holder.stdin is not None
            assert holder.stdout.readline() == "open\n"
            for is_rehearsal in (False, True):
                with pytest.raises(LedgerError, match=rf"in use by process {holder.pid} on \S+ since \d{{4}}-"):
                    opened(is_rehearsal=is_rehearsal)
            holder.stdin.close()
            assert holder.wait() == 0
        opened().close()

    def test_one_in_this_process_is_told_as_well(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened():
            (folder / ledger_files.LOCK).write_bytes(b"{")  # before the holder has said who it is
            with pytest.raises(LedgerError, match="in use by another process"):
                opened()

    def test_closing_twice_is_closing(self, opened: Callable[..., Ledger]) -> None:
        ledger = opened()
        ledger.close()
        with opened():
            ledger.close()


class TestWhoseItIs:
    def test_another_endpoint(self, opened: Callable[..., Ledger]) -> None:
        opened().close()
        with pytest.raises(LedgerError, match=r"is about https://rest.fra-01.braze.eu, .* to https://rest.iad-01"):
            opened(endpoint="https://rest.iad-01.braze.com")

    def test_another_ledger_key(self, opened: Callable[..., Ledger]) -> None:
        opened().close()
        with pytest.raises(LedgerError, match="made with another key") as error:
            opened(ledger_key="other-secret")
        assert "other-secret" not in str(error.value)

    def test_another_api_key_until_it_is_accepted(self, opened: Callable[..., Ledger]) -> None:
        with opened() as ledger:
            put(ledger, 1)
        with pytest.raises(LedgerError, match="accept-api-key") as error:
            opened(api_key="renewed-key")
        assert "renewed-key" not in str(error.value)
        opened(api_key="renewed-key", accepts_api_key=True).close()
        with opened(api_key="renewed-key") as ledger:
            assert digest(1) in ledger.table
        with pytest.raises(LedgerError, match="accept-api-key"):
            opened()

    def test_no_secret_is_in_it(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened(ledger_key="a-ledger-key") as ledger:
            put(ledger, 1)
            key = ledger.key
        assert len(key) == 32
        for content in contents(folder).values():
            assert not any(secret in content for secret in (b"a-ledger-key", b"made-up-key", key))

    @pytest.mark.parametrize("secret", ["short", "long" * 20])
    def test_equal_keys_of_two_ledgers_hash_differently(self, tmp_path: Path, secret: str) -> None:
        keys = {}
        for name in ("a", "b"):
            with Ledger.open(tmp_path / name, **OWNER, ledger_key=secret) as ledger:
                keys[name] = ledger.key
        assert keys["a"] != keys["b"]
        with Ledger.open(tmp_path / "a", **OWNER, ledger_key=secret) as ledger:
            assert ledger.key == keys["a"]


class TestItsKey:
    def test_one_is_made_and_kept(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened(ledger_key=None) as ledger:
            key = ledger.key
        path = folder / ledger_files.KEY
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        made = path.read_text().strip()
        assert len(made) == 64
        with opened(ledger_key=None) as ledger:
            assert ledger.key == key
        path.unlink()
        with opened(ledger_key=made) as ledger:  # it may be moved to where secrets are kept
            assert ledger.key == key

    def test_without_it_nobody_can_be_found(self, opened: Callable[..., Ledger], folder: Path) -> None:
        opened(ledger_key=None).close()
        (folder / ledger_files.KEY).unlink()
        with pytest.raises(LedgerError, match="its key is not"):
            opened(ledger_key=None)
        assert not (folder / ledger_files.KEY).exists()

    def test_it_is_durable_before_the_store_is_there(
        self, opened: Callable[..., Ledger], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def dies(*_: object) -> None:
            assert (folder / ledger_files.KEY).exists()
            raise LedgerError("no")

        with monkeypatch.context() as patch:
            patch.setattr(ledger_module, "Store", dies)
            with pytest.raises(LedgerError):
                opened(ledger_key=None)
        made = (folder / ledger_files.KEY).read_text()
        opened(ledger_key=None).close()
        assert (folder / ledger_files.KEY).read_text() == made

    def test_only_its_owner_can_look_into_it(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened(ledger_key=None) as ledger:
            put(ledger, 1)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "store").stat().st_mode) == 0o700
        for path in folder.iterdir():
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077


class TestFormat:
    def test_a_newer_one_is_named(self, opened: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(ledger_module, "VERSION", 7)
            opened().close()
        with pytest.raises(LedgerError, match=r"has format 7, .* up to 1"):
            opened()

    @pytest.mark.parametrize("is_rehearsal", [False, True])
    def test_an_older_one_is_brought_up_step_by_step(
        self, opened: Callable[..., Ledger], folder: Path, monkeypatch: pytest.MonkeyPatch, *, is_rehearsal: bool
    ) -> None:
        with opened() as ledger:
            put(ledger, 1, 2)
        before = contents(folder)
        monkeypatch.setattr(ledger_module, "VERSION", 3)

        def shift(ledger: Ledger) -> Iterator[tuple[bytes, bytes | None]]:
            for key in known(ledger):
                number = int.from_bytes(key, "big")
                yield store_keys.IDENTITY + key, None
                (covered,) = ledger._cover.cover([entry(number * 10)])
                yield store_keys.IDENTITY + digest(number * 10), covered

        monkeypatch.setattr(ledger_module, "_UPGRADES", {1: shift, 2: shift})
        for _ in range(2):  # the second time there is nothing left to do
            with opened(is_rehearsal=is_rehearsal) as ledger:
                assert [*known(ledger)] == [digest(100), digest(200)]
                assert digest(200) in ledger.table
                assert ledger.check().is_sound
        assert (contents(folder) == before) == is_rehearsal

    def test_a_step_that_dies_leaves_it_as_it_was(
        self, opened: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with opened() as ledger:
            put(ledger, 1)

        def dies(_: Ledger) -> Iterator[tuple[bytes, bytes | None]]:
            yield store_keys.IDENTITY + digest(1), None
            raise LedgerError("no")

        with monkeypatch.context() as patch:
            patch.setattr(ledger_module, "VERSION", 2)
            patch.setattr(ledger_module, "_UPGRADES", {1: dies})
            with pytest.raises(LedgerError):
                opened()
        with opened() as ledger:
            assert known(ledger) == {digest(1): entry(1)}


class TestRehearsal:
    def test_the_files_stay_as_they_are(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened() as ledger:
            put(ledger, 1, 2, 3)
            ledger.meta_put("names", b"a")
        before = contents(folder)
        with opened(is_rehearsal=True) as ledger:
            put(ledger, 4)
            ledger.put_many([(digest(1), entry(1, 50))])
            ledger.table.discard(digest(1))
            ledger.meta_put("names", b"b")
            assert ledger.delete(digest(2))
            ledger.sync()
            assert ledger.get_many([digest(number) for number in range(5)]) == [
                None,
                entry(1, 50),
                None,
                entry(3),
                entry(4),
            ]
            assert known(ledger) == {digest(1): entry(1, 50), digest(3): entry(3), digest(4): entry(4)}
            assert ledger.meta_get("names") == b"b"
            assert digest(1) not in ledger.table
            temporary = ledger._rehearsed_in
        assert temporary is not None
        assert not temporary.exists()
        assert contents(folder) == before
        with opened() as ledger:
            assert ledger.get(digest(2)) == entry(2)
            assert digest(1) in ledger.table

    def test_without_a_ledger_none_is_made(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened(is_rehearsal=True, ledger_key=None) as ledger:
            put(ledger, 1)
            assert ledger.get(digest(1)) == entry(1)
        assert not folder.parent.exists()

    def test_it_is_held_to_the_same_owner(self, opened: Callable[..., Ledger]) -> None:
        opened().close()
        with pytest.raises(LedgerError, match="accept-api-key"):
            opened(is_rehearsal=True, api_key="other")


class TestTrouble:
    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(LedgerError, match="Set `ledger` to a folder that can"):
            Ledger.open(tmp_path / "file" / "ledger", **OWNER, ledger_key=None)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_is_read_only(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(LedgerError, match="Set `ledger` to a folder that can"):
            Ledger.open(tmp_path / "ledger", **OWNER, ledger_key=None)

    def test_a_full_disk_stops_the_run(self, folder: Path) -> None:
        """Files that may not grow stand in for it: to what writes them it is an error like a full disk."""
        code = (
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.RLIM_INFINITY}))\n"
            "for act in [lambda: ledger.put_many([(bytes(16), bytes(1000))] * 100), ledger.sync, ledger.close]:\n"
            "    try:\n"
            "        act()\n"
            "    except LedgerError as error:\n"
            "        print(error)\n"
        )
        with process(code, folder) as full:
            output, _ = full.communicate()
            assert full.returncode == 0
        assert output.count("make room") >= 1
        with Ledger.open(folder, **OWNER, ledger_key=LEDGER_KEY) as ledger:
            assert known(ledger) == {}

    def test_a_failed_sync_is_not_forgotten(
        self, opened: Callable[..., Ledger], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = opened()
        put(ledger, 1)

        def fails() -> None:
            raise LedgerError("disk")

        with monkeypatch.context() as patch:
            patch.setattr(ledger._store, "sync", fails)
            with pytest.raises(LedgerError):
                ledger.sync()
        with pytest.raises(LedgerError, match="disk"):
            ledger.sync()
        with pytest.raises(LedgerError, match="disk"):
            ledger.close()
        assert not (folder / ledger_files.TABLE).exists()
        with opened() as ledger:  # and it let go of it all the same
            assert digest(1) in ledger.table

    @pytest.mark.parametrize("spoil", ["CURRENT", "MANIFEST-*", "*.sst"])
    def test_a_damaged_one_says_that_nothing_is_lost(
        self, opened: Callable[..., Ledger], folder: Path, spoil: str
    ) -> None:
        with opened() as ledger:
            put(ledger, *range(2000))
        for path in (folder / "store").glob(spoil):
            content = bytearray(path.read_bytes())
            content[: len(content) // 2] = b"\xff" * (len(content) // 2)
            path.write_bytes(content)
        with pytest.raises(LedgerError, match=r"is damaged .* Nothing is lost, .* move that folder away"):
            known(opened())

    def test_an_entry_that_cannot_be_read_is_damage(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened() as ledger:
            ledger.put_many([(digest(1), b"no entry")])
        (folder / ledger_files.TABLE).unlink()
        with pytest.raises(LedgerError, match="is damaged"):
            opened()

    def test_a_store_that_is_not_ours_is_damage(self, opened: Callable[..., Ledger]) -> None:
        with opened() as ledger:
            put(ledger, 1)
            ledger._store.write([(store_keys.FORMAT, None)])
        with pytest.raises(LedgerError, match="is damaged"):
            opened()

    def test_one_whose_making_was_cut_short_is_made(self, opened: Callable[..., Ledger], folder: Path) -> None:
        with opened() as ledger:
            ledger._store.write([(store_keys.FORMAT, None)])
        assert is_ledger(folder)
        with opened() as ledger:
            put(ledger, 1)
        with opened() as ledger:
            assert ledger.check().is_sound


def test_the_lock_says_what_a_person_needs(opened: Callable[..., Ledger], folder: Path) -> None:
    with opened():
        assert json.loads((folder / ledger_files.LOCK).read_bytes())["pid"] == os.getpid()
    assert (folder / ledger_files.LOCK).read_bytes() == b""
