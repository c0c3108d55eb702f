"""Objects for the other endpoints, through the real command line against a real sandbox.

Each kind with its limits; one that is refused among others; what happens when Braze does not answer as it should, when
the process is killed, and in a second run over the same records.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.conftest import Outcome, Sandbox, Target

GROUP, OTHER_GROUP = "3f2a0000-0000-4000-8000-000000000001", "3f2a0000-0000-4000-8000-000000000002"
DYING = str(Path(__file__).with_name("dying_target.py"))
PEOPLE = 120
COHORT_KEYS = {"cohort_partner": "acme", "cohort_partner_key": "partner-key", "cohort_import_key": "import-key"}


def messages(stream: str, records: Iterable[dict[str, Any]], state: int | None = None) -> Iterator[dict[str, Any]]:
    """What a tap says."""
    records = list(records)
    names = dict.fromkeys(name for record in records for name in record)
    yield {"type": "SCHEMA", "stream": stream, "schema": {"properties": {name: {} for name in names}}}
    yield from ({"type": "RECORD", "stream": stream, "record": record} for record in records)
    if state is not None:
        yield {"type": "STATE", "value": {"read": state}}


def people(sandbox: Sandbox, count: int = PEOPLE, **attributes: Any) -> list[str]:
    """Put people into the sandbox; return their external_ids."""
    ids = [f"person-{number:03d}" for number in range(count)]
    for start in range(0, count, 75):
        answer = sandbox.track(attributes=[{"external_id": each, **attributes} for each in ids[start : start + 75]])
        answer.raise_for_status()
    return ids


def sent(sandbox: Sandbox, path: str) -> list[dict[str, Any]]:
    """The bodies of the requests to a path."""
    return [request["body"] for request in sandbox.requests() if request["path"] == path]


def ran(outcome: Outcome, **counts: int) -> None:
    """Make sure that a run ended well, and what became of its records."""
    assert outcome.exit == 0, outcome.stderr
    names = ("delivered", "unchanged", "held", "rejected", "unfinished")
    assert {name: outcome.summary[name] for name in names if outcome.summary[name]} == counts, outcome.rejections


# Each kind: settings of the stream, a record for a number, where it goes, how many requests 120 take, what proves it

KINDS: dict[str, dict[str, Any]] = {
    "delete_users": {
        "record": lambda number: {"external_id": f"person-{number:03d}"},
        "path": "/users/delete",
        "requests": 3,
        "again": "delivered",
        "proof": lambda sandbox: not sandbox.profiles(),
    },
    "user_aliases": {
        "record": lambda number: {
            "external_id": f"person-{number:03d}",
            "alias_name": f"a{number}",
            "alias_label": "l",
        },
        "path": "/users/alias/new",
        "requests": 3,
        "proof": lambda sandbox: (
            sandbox.profile("person-119")["user_aliases"] == [{"alias_name": "a119", "alias_label": "l"}]
        ),
    },
    "identify": {
        "record": lambda number: {"external_id": f"new-{number}", "email": f"{number}@example.com"},
        "settings": {"prioritization": ["unidentified"]},
        "path": "/users/identify",
        "requests": 3,
        "proof": lambda _: True,
    },
    "merge": {
        "record": lambda number: {
            "external_id_to_merge": f"person-{number:03d}",
            "external_id_to_keep": f"kept-{number}",
        },
        "path": "/users/merge",
        "requests": 3,
        "proof": lambda _: True,
    },
    "external_id_rename": {
        "record": lambda number: {"current_external_id": f"person-{number:03d}", "new_external_id": f"new-{number}"},
        "path": "/users/external_ids/rename",
        "requests": 3,
        "proof": lambda sandbox: sandbox.profile("new-119")["deprecated_ids"] == ["person-119"],
    },
    "subscription_groups": {
        "record": lambda number: {
            "external_id": f"person-{number:03d}",
            "subscription_group_id": GROUP,
            "subscription_state": "subscribed" if number % 2 else "unsubscribed",
        },
        "path": "/v2/subscription/status/set",
        "requests": 3,
        "proof": lambda sandbox: sandbox.subscriptions("person-119") == {GROUP: "subscribed"},
    },
    "catalog_items": {
        "record": lambda number: {"id": f"SKU-{number}", "price": number, "name": f"Thing {number}"},
        "settings": {"catalog": "products"},
        "path": "/catalogs/products/items",
        "requests": 3,
        "proof": lambda sandbox: len(sandbox.catalog_items("products")) == PEOPLE,
    },
    "cohorts": {
        "record": lambda number: {"external_id": f"person-{number:03d}"},
        "settings": {"cohort": "big-spenders"},
        "path": "/partners/acme/cohorts/users",
        "requests": 1,
        "proof": lambda sandbox: len(sandbox.cohort_members("acme", "big-spenders")) == PEOPLE,
    },
}


def prepare(sandbox: Sandbox) -> None:
    """Put what all kinds need into the sandbox."""
    people(sandbox, plan="gold")
    fields = [{"name": "id", "type": "string"}, {"name": "price", "type": "number"}, {"name": "name", "type": "string"}]
    sandbox.post("/catalogs", {"catalogs": [{"name": "products", "fields": fields}]}).raise_for_status()


def settings_of(kind: str, **others: Any) -> dict[str, Any]:
    return {"streams": {"things": {"object": kind, **KINDS[kind].get("settings", {})}}, **COHORT_KEYS, **others}


def records_of(kind: str, count: int = PEOPLE) -> list[dict[str, Any]]:
    return [KINDS[kind]["record"](number) for number in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_goes_where_it_belongs_and_once(target: Target, sandbox: Sandbox, kind: str) -> None:
    """A second run over the same records sends nothing, but for deletions (see the README)."""
    prepare(sandbox)
    expected = KINDS[kind]
    first = target.run(settings_of(kind), messages("things", records_of(kind), 1))
    ran(first, delivered=PEOPLE)
    assert first.states == [{"read": 1}]
    assert len(sent(sandbox, expected["path"])) == expected["requests"]
    assert expected["proof"](sandbox)
    again = target.run(settings_of(kind), messages("things", records_of(kind), 2))
    ran(again, **{expected.get("again", "unchanged"): PEOPLE})
    assert again.states == [{"read": 2}]
    assert "key" not in first.stderr


FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429, "headers": {"X-Ratelimit-Retry-After": "1"}},
    "503": {"kind": "status", "status": 503, "times": 2},
    "applied, no answer": {"kind": "reset_after_apply"},
    "not success": {"kind": "not_success"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["delete_users", "subscription_groups", "catalog_items", "merge"])
def test_it_is_sent_until_it_is_taken(target: Target, sandbox: Sandbox, kind: str, fault: str) -> None:
    prepare(sandbox)
    sandbox.faults({**FAULTS[fault], "path": KINDS[kind]["path"]})
    outcome = target.run(settings_of(kind), messages("things", records_of(kind)))
    ran(outcome, delivered=PEOPLE)
    assert outcome.summary["retries"] > 0
    assert KINDS[kind]["proof"](sandbox)


def killed(target: Target, settings: dict[str, Any], lines: Iterable[dict[str, Any]], *place: str) -> None:
    """Run until it dies at a place in the code."""
    path = target.folder / "dying.json"
    path.write_text(json.dumps(target.config(settings)))
    command = [sys.executable, DYING, *place, "--config", str(path)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    died = subprocess.run(command, input=text.encode(), capture_output=True, cwd=target.folder, check=False)
    assert died.returncode == -9, died.stderr.decode()


PLACES = {
    "answered and not looked at": ("target_braze.recording:Recorder.accepted", "before", "2"),
    "forgotten and not remembered": ("target_braze.changes:Changes.forgotten", "after", "2"),
    "recorded and not acknowledged": ("target_braze.recording:Recorder.accepted", "after", "2"),
}


KILLED = ["delete_users", "merge", "catalog_items", "subscription_groups", "cohorts"]


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        # the first two forget somebody, which the others do not: with those one place shows what each would
        pytest.param(kind, place, marks=() if number < 2 or place.startswith("answered") else pytest.mark.soak)
        for number, kind in enumerate(KILLED)
        for place in PLACES
    ],
)
def test_killed_and_again_nothing_is_missing(target: Target, sandbox: Sandbox, kind: str, place: str) -> None:
    prepare(sandbox)
    where = PLACES[place]
    killed(target, settings_of(kind), messages("things", records_of(kind)), *where)
    outcome = target.run(settings_of(kind), messages("things", records_of(kind), 1))
    assert outcome.exit == 0, outcome.stderr
    assert outcome.summary["rejected"] == 0
    assert outcome.states == [{"read": 1}]
    assert KINDS[kind]["proof"](sandbox)


# One object among others

REFUSED: dict[str, tuple[dict[str, Any], str, Any]] = {
    "user_aliases": ({"alias_name": "", "alias_label": "l"}, "user_alias", None),
    "external_id_rename": (
        {"current_external_id": "nobody", "new_external_id": "new"},
        "'current_external_id' is not the primary external_id of any user",
        {"external_id": "nobody"},
    ),
    "subscription_groups": (
        {"external_id": "person-001", "subscription_group_id": OTHER_GROUP, "subscription_state": "subscribed"},
        "Invalid subscription group ID",
        {"external_id": "person-001"},
    ),
    "catalog_items": ({"id": "SKU-x", "price": "dear", "name": "x"}, "Invalid Request: ", {"id": "SKU-x"}),
    "merge": ({"external_id_to_merge": "a", "external_id_to_keep": None}, "missing identifier", None),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_one_that_is_refused_keeps_no_other_back(target: Target, sandbox: Sandbox, kind: str) -> None:
    """By index where Braze names it, else in halves down to the one."""
    prepare(sandbox)
    sandbox.settings(subscription_groups={GROUP: "email"})
    bad, reason, identity = REFUSED[kind]
    records = records_of(kind, 60)
    records.insert(17, {**dict.fromkeys(records[0]), **bad})
    outcome = target.run(settings_of(kind), messages("things", records))
    ran(outcome, delivered=60, rejected=1)
    [rejection] = outcome.rejections
    assert reason in rejection["reason"]
    assert rejection["identity"] == identity or identity is None


def test_a_catalog_that_does_not_exist_stops_the_run(target: Target) -> None:
    """Vector C75: nothing is tried again."""
    outcome = target.run(settings_of("catalog_items"), messages("things", records_of("catalog_items"), 1))
    assert outcome.exit == 1
    assert "there is no catalog 'products' in this workspace" in outcome.stderr
    assert outcome.summary["requests"] == 1
    assert outcome.states == []


def test_what_a_key_may_not_do_is_named(target: Target, sandbox: Sandbox) -> None:
    sandbox.settings(scopes=["users.track"])
    outcome = target.run(settings_of("merge"), messages("things", records_of("merge")))
    assert outcome.exit == 1
    assert "lacks the permission `users.merge`" in outcome.stderr


def test_wrong_keys_of_cohorts_are_said_and_not_shown(target: Target, sandbox: Sandbox) -> None:
    sandbox.settings(partner_api_keys=["another"])
    outcome = target.run(settings_of("cohorts"), messages("things", records_of("cohorts")))
    assert outcome.exit == 1
    assert "`cohort_partner_key`" in outcome.stderr
    assert "partner-key" not in outcome.stderr
    assert "import-key" not in outcome.stderr


# Bodies


def test_people_of_one_group_and_state_are_one_object(target: Target, sandbox: Sandbox) -> None:
    """Vector C68; of two states of one person the later counts."""
    said = [("a", GROUP, "subscribed"), ("b", GROUP, "unsubscribed"), ("c", GROUP, "subscribed")]
    said += [("a", GROUP, "subscribed"), ("c", OTHER_GROUP, "subscribed"), ("a", GROUP, "unsubscribed")]
    names = ("external_id", "subscription_group_id", "subscription_state")
    settings = {"streams": {"things": {"object": "subscription_groups"}}}
    outcome = target.run(settings, messages("things", [dict(zip(names, each, strict=True)) for each in said]))
    ran(outcome, delivered=6)
    [body] = sent(sandbox, "/v2/subscription/status/set")
    assert body == {
        "subscription_groups": [
            {"subscription_group_id": GROUP, "subscription_state": "unsubscribed", "external_ids": ["a", "b"]},
            {"subscription_group_id": GROUP, "subscription_state": "subscribed", "external_ids": ["c"]},
            {"subscription_group_id": OTHER_GROUP, "subscription_state": "subscribed", "external_ids": ["c"]},
        ]
    }


def test_deletions_by_different_identifiers(target: Target, sandbox: Sandbox) -> None:
    """Braze takes one kind of identifier per request; requests are of records as they come (invariant 6)."""
    columns = {"external_id": None, "email": None, "alias_name": None, "alias_label": None}
    records = [
        {**columns, **record}
        for record in (
            *({"external_id": f"e{number}"} for number in range(4)),
            *({"email": f"{number}@Example.com"} for number in range(4)),
            *({"alias_name": f"n{number}", "alias_label": "l"} for number in range(4)),
        )
    ]
    entry = {
        "object": "delete_users",
        "identify_by": ["external_id", "email", "user_alias"],
        "prioritization": ["identified", "most_recently_updated"],
    }
    ran(target.run({"streams": {"things": entry}}, messages("things", records)), delivered=12)
    bodies = {name: body[name] for body in sent(sandbox, "/users/delete") for name in body}
    assert len(sent(sandbox, "/users/delete")) == 3
    assert bodies["external_ids"] == ["e0", "e1", "e2", "e3"]
    assert bodies["email_addresses"][0] == {"email": "0@example.com", "prioritization": entry["prioritization"]}
    assert bodies["user_aliases"][3] == {"alias_name": "n3", "alias_label": "l"}


def test_a_cohort_is_named_once_and_people_leave_it(target: Target, sandbox: Sandbox) -> None:
    """Vectors C65 to C67."""
    people(sandbox, 3)
    settings = settings_of("cohorts")
    columns = ({"external_id": f"person-{number:03d}", "should_remove": False} for number in range(3))
    ran(target.run(settings, messages("things", columns)), delivered=3)
    gone = [{"external_id": "person-001", "should_remove": True}]
    ran(target.run(settings, messages("things", gone)), delivered=1)
    assert sandbox.cohort_members("acme", "big-spenders") == ["person-000", "person-002"]
    [named] = sent(sandbox, "/partners/acme/cohorts")
    assert (named["cohort_id"], named["name"]) == ("big-spenders", "big-spenders")
    assert named["created_at"] > "2026"


def test_items_of_a_catalog(target: Target, sandbox: Sandbox) -> None:
    """Vectors C74 and C76."""
    prepare(sandbox)
    ids = ["ok", "not ok", "x" * 251, None]
    upserted = target.run(
        settings_of("catalog_items"), messages("things", [{"id": each, "price": 1, "_sdc_x": 1} for each in ids])
    )
    ran(upserted, delivered=1, rejected=3)
    assert sandbox.catalog_items("products") == {"ok": {"id": "ok", "price": 1}}
    streams = {"things": {"object": "catalog_items", "catalog": "products", "operation": "delete"}}
    ran(target.run({"streams": streams}, messages("things", [{"id": "ok"}, {"id": "absent"}])), delivered=2)
    assert sandbox.catalog_items("products") == {}
    ran(target.run(settings_of("catalog_items"), messages("things", [{"id": "ok", "price": 1}])), delivered=1)


# What the ledger forgets

ATTRIBUTES = {"object": "attributes"}


def test_who_was_deleted_is_sent_whole_again(target: Target, sandbox: Sandbox) -> None:
    """Also within one run, and what was said of them elsewhere, too."""
    settings = {
        "streams": {
            "people": ATTRIBUTES,
            "gone": {"object": "delete_users"},
            "groups": {"object": "subscription_groups"},
        }
    }
    person = [{"external_id": "ada", "plan": "gold"}, {"external_id": "bob", "plan": "gold"}]
    group = [{"external_id": "ada", "subscription_group_id": GROUP, "subscription_state": "subscribed"}]
    gone = [{"external_id": "ada"}]

    def lines(*heaps: Any) -> list[Any]:
        return [line for stream, records in heaps for line in messages(stream, records)]

    ran(target.run(settings, lines(("people", person), ("groups", group))), delivered=3)
    assert sandbox.subscriptions("ada") == {GROUP: "subscribed"}
    ran(target.run(settings, lines(("people", person), ("groups", group))), unchanged=3)
    both = lines(("gone", gone), ("people", person), ("groups", group))
    ran(target.run(settings, both), delivered=3, unchanged=1)
    assert sandbox.values("ada") == {"plan": "gold"}
    assert sandbox.subscriptions("ada") == {GROUP: "subscribed"}
    ran(target.run(settings, lines(("gone", gone))), delivered=1)
    assert not sandbox.exists("ada")
    ran(target.run(settings, lines(("people", person), ("groups", group))), delivered=2, unchanged=1)


def test_what_was_said_of_somebody_is_forgotten_on_request(target: Target, sandbox: Sandbox) -> None:
    people(sandbox, 2)
    settings = settings_of("subscription_groups", ledger=str(target.folder / "ledger"))
    ran(target.run(settings, messages("things", records_of("subscription_groups", 2))), delivered=2)
    path = target.folder / "forget.json"
    path.write_text(json.dumps(target.config(settings)))
    command = [str(Path(sys.executable).with_name("target-braze-ledger")), "--config", str(path), "forget"]
    told = subprocess.run([*command, "--external-id", "person-001"], capture_output=True, text=True, check=False)
    assert told.stdout == "external_id: forgotten\n", told.stderr
    ran(target.run(settings, messages("things", records_of("subscription_groups", 2))), delivered=1, unchanged=1)


def test_a_deletion_that_failed_leaves_the_ledger_as_it_was(target: Target, sandbox: Sandbox) -> None:
    settings = {"streams": {"gone": {"object": "delete_users"}}}
    person = [{"external_id": "ada", "plan": "gold"}]
    ran(target.run(settings, messages("people", person)), delivered=1)
    sandbox.faults({"kind": "status", "status": 400, "body": {"message": "no"}, "path": "/users/delete"})
    ran(target.run(settings, messages("gone", [{"external_id": "ada"}])), rejected=1)
    ran(target.run(settings, messages("people", person)), unchanged=1)


def test_merged_and_renamed_people_are_sent_whole_again(target: Target) -> None:
    settings = {"streams": {"merges": {"object": "merge"}, "renames": {"object": "external_id_rename"}}}
    names = ["lost", "kept", "old", "new", "other"]
    persons = [{"external_id": name, "plan": "gold"} for name in names if name != "new"]
    ran(target.run(settings, messages("people", persons)), delivered=4)
    merge = [{"external_id_to_merge": "lost", "external_id_to_keep": "kept"}]
    rename = [{"current_external_id": "old", "new_external_id": "new"}]
    both = [*messages("merges", merge), *messages("renames", rename)]
    ran(target.run(settings, both), delivered=2)
    after = [{"external_id": name, "plan": "gold"} for name in ("kept", "new", "other")]
    ran(target.run(settings, messages("people", after)), delivered=2, unchanged=1)
    ran(target.run(settings, both), unchanged=2)


def test_a_merge_and_one_that_builds_on_it_are_not_in_one_request(target: Target, sandbox: Sandbox) -> None:
    people(sandbox, 3, plan="gold")
    chain = [
        {"external_id_to_merge": "person-000", "external_id_to_keep": "person-001"},
        {"external_id_to_merge": "person-001", "external_id_to_keep": "person-002"},
    ]
    ran(target.run(settings_of("merge"), messages("things", chain)), delivered=2)
    assert len(sent(sandbox, "/users/merge")) == 2
    assert [profile["external_id"] for profile in sandbox.profiles()] == ["person-002"]


# Records that were deleted at their source

SOFT_DELETED = [
    {"external_id": "ada", "plan": "gold", "_sdc_deleted_at": None},
    {"external_id": "bob", "plan": "gold", "_sdc_deleted_at": None},
]


@pytest.mark.parametrize(
    ("on_delete", "values"),
    [("ignore", {"plan": "gold"}), ("clear", {}), ("delete_user", None)],
)
def test_a_record_deleted_at_its_source(
    target: Target, sandbox: Sandbox, on_delete: str, values: dict[str, Any] | None
) -> None:
    settings = {"streams": {"people": {"on_delete": on_delete}}}
    ran(target.run(settings, messages("people", SOFT_DELETED)), delivered=2)
    deleted = [{**SOFT_DELETED[0], "_sdc_deleted_at": "2026-01-31T00:00:00Z"}, SOFT_DELETED[1]]
    outcome = target.run(settings, messages("people", deleted))
    assert outcome.exit == 0, outcome.stderr
    assert sandbox.values("bob") == {"plan": "gold"}
    assert not sandbox.exists("ada") if values is None else sandbox.values("ada") == values
    ran(
        target.run(settings, messages("people", SOFT_DELETED)),
        **({"unchanged": 2} if on_delete == "ignore" else {"delivered": 1, "unchanged": 1}),
    )
    assert sandbox.values("ada") == {"plan": "gold"}


# Consent and operations


def test_consent_is_sent_only_where_it_is_named(target: Target, sandbox: Sandbox) -> None:
    record = [{"external_id": "ada", "plan": "gold", "email_subscribe": "subscribed"}]
    left_out = target.run({}, messages("people", record))
    ran(left_out, delivered=1)
    assert sandbox.values("ada") == {"plan": "gold"}
    assert left_out.stderr.count("'email_subscribe' is consent and is not sent") == 1
    named = {"streams": {"people": {"fields": {"email_subscribe": "email_subscribe"}}}}
    ran(target.run(named, messages("people", record)), delivered=1)
    assert sandbox.values("ada") == {"plan": "gold", "email_subscribe": "subscribed"}


@pytest.mark.parametrize("kind", ["attributes", "subscription_groups"])
def test_nobody_is_subscribed_again_without_leave(target: Target, sandbox: Sandbox, kind: str) -> None:
    people(sandbox, 1)
    fields = {"fields": {"email_subscribe": "email_subscribe"}} if kind == "attributes" else {}

    def said(state: str) -> list[dict[str, Any]]:
        names = {"subscription_group_id": GROUP, "subscription_state": state}
        return [{"external_id": "person-000", **({"email_subscribe": state} if fields else names)}]

    def run(state: str, **allowed: Any) -> Outcome:
        settings = {"streams": {"things": {"object": kind, **fields, **allowed}}}
        return target.run(settings, messages("things", said(state)))

    ran(run("subscribed"), delivered=1)
    ran(run("unsubscribed"), delivered=1)
    again = run("subscribed")
    ran(again, held=1)
    assert again.summary["streams"]["things"]["held_attributes"][0]["policy"] == "allow_resubscribe"
    ran(run("subscribed", allow_resubscribe=True), delivered=1)


def test_operations_on_what_braze_has(target: Target, sandbox: Sandbox) -> None:
    settings = {
        "streams": {
            "people": {
                "fields": {"tag": {"name": "tags", "operation": "add"}, "n": {"name": "visits", "operation": "inc"}}
            }
        }
    }
    for tag, number in (("a", 2), ("b", 3), (None, None)):
        outcome = target.run(settings, messages("people", [{"external_id": "ada", "tag": tag, "n": number}]))
        assert outcome.exit == 0, outcome.stderr
    assert sandbox.values("ada") == {"tags": ["a", "b"], "visits": 5}


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_says_what_a_run_would_do(target: Target, sandbox: Sandbox, kind: str) -> None:
    prepare(sandbox)
    before = len(sandbox.requests())
    plan = target.run(settings_of(kind, dry_run=True), messages("things", records_of(kind), 1))
    assert len(sandbox.requests()) == before
    assert plan.states == []
    outcome = target.run(settings_of(kind), messages("things", records_of(kind), 1))
    names = ("records", "delivered", "requests", "objects", "data_points")
    assert {name: plan.summary[name] for name in names} == {name: outcome.summary[name] for name in names}


def test_kinds_in_turn_keep_their_order(target: Target, sandbox: Sandbox) -> None:
    """Each STATE waits for what came before it, whatever the endpoint."""
    settings = {"streams": {"gone": {"object": "delete_users"}}}
    lines = []
    for number in range(8):
        person = {"external_id": "ada", "visits": number}
        lines += [*messages("people", [person], number), *messages("gone", [{"external_id": "ada"}])]
    lines += [*messages("people", [{"external_id": "ada", "visits": 9}], 9)]
    outcome = target.run(settings, lines)
    ran(outcome, delivered=17)
    assert outcome.states[-1] == {"read": 9}
    assert sandbox.values("ada") == {"visits": 9}
    assert [request["path"] for request in sandbox.requests()] == ["/users/track", "/users/delete"] * 8 + [
        "/users/track"
    ]
