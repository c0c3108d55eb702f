"""The routes about people's identifiers: what they refuse, what they answer, and what they really do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

ALIAS = {"alias_name": "n", "alias_label": "l"}
EMAIL = "a@example.com"
PHONE = "+4930123456"
GROUP = "3f2a0000-0000-4000-8000-000000000001"


def posted(braze: Client, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
    answer = braze.post(path, body)
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


def ids(braze: Client) -> list[str | None]:
    return [profile["external_id"] for profile in braze.profiles()]


def exported(braze: Client, **query: Any) -> dict[str, Any]:
    return posted(braze, "/users/export/ids", query)


# Delete


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({}, "'external_ids', 'user_aliases', 'braze_ids', 'email_addresses' or", id="no identifier"),
        pytest.param({"external_ids": ["p"], "braze_ids": ["b"]}, "only one of 'external_ids'", id="two kinds"),
        pytest.param({"external_ids": "p"}, "'external_ids' must be an array of strings", id="no array"),
        pytest.param({"external_ids": [1]}, "'external_ids' must be an array of strings", id="a number"),
        pytest.param({"external_ids": []}, "'external_ids' must not be empty", id="none"),
        pytest.param({"external_ids": [str(n) for n in range(51)]}, "not contain more than 50 users", id="51"),
        pytest.param({"user_aliases": ["n"]}, "'user_aliases' must be an array of objects", id="alias as a text"),
        pytest.param({"user_aliases": [{"alias_name": "n"}]}, "'user_alias' must have an", id="alias without a label"),
        pytest.param({"email_addresses": [EMAIL]}, "'email_addresses' must be an array of objects", id="bare e-mail"),
        pytest.param({"email_addresses": [{"email": EMAIL}]}, "'prioritization' must", id="no prioritization"),
        pytest.param(
            {"email_addresses": [{"email": EMAIL, "prioritization": ["least_recently_updated"]}]},
            "'prioritization' must",
            id="least recently updated is not for deletions",
        ),
        pytest.param(
            {"email_addresses": [{"email": EMAIL, "prioritization": ["identified", "unidentified"]}]},
            "'prioritization' must",
            id="identified and not",
        ),
        pytest.param(
            {"email_addresses": [{"email": "a", "prioritization": ["identified"]}]}, "not a valid email", id="no e-mail"
        ),
        pytest.param(
            {"phone_numbers": [{"phone": "1", "prioritization": ["identified"]}]}, "not a valid phone", id="no phone"
        ),
    ],
)
def test_a_deletion_is_refused(braze: Client, body: dict[str, Any], message: str) -> None:
    braze.attributes({"external_id": "p", "email": EMAIL})
    assert message in posted(braze, "/users/delete", body, 400)["message"]
    assert ids(braze) == ["p"]


@pytest.fixture
def person(braze: Client) -> Client:
    """Somebody with every identifier, and a bystander."""
    braze.attributes({"external_id": "p", "email": EMAIL, "phone": PHONE, "a": 1}, {"external_id": "other"})
    posted(braze, "/users/alias/new", {"user_aliases": [{"external_id": "p", **ALIAS}]})
    return braze


@pytest.mark.parametrize("kind", ["external_ids", "user_aliases", "braze_ids", "email_addresses", "phone_numbers"])
def test_a_deleted_profile_is_found_by_nothing_any_more(person: Client, kind: str) -> None:
    braze_id = person.profile()["braze_id"]
    bodies: dict[str, Any] = {
        "external_ids": ["p"],
        "user_aliases": [ALIAS],
        "braze_ids": [braze_id],
        "email_addresses": [{"email": "A@example.com", "prioritization": ["identified"]}],
        "phone_numbers": [{"phone": "+49 30 123456", "prioritization": ["most_recently_updated"]}],
    }
    assert posted(person, "/users/delete", {kind: bodies[kind]}) == {"deleted": 1, "message": "success"}
    assert ids(person) == ["other"]
    assert not person.exists("p")
    assert exported(person, external_ids=["p"], user_aliases=[ALIAS])["users"] == []
    for query in ({"email_address": EMAIL}, {"phone": PHONE}, {"braze_id": braze_id}):
        assert exported(person, **query)["users"] == []


def test_deleted_counts_identifiers_not_people(person: Client) -> None:
    assert posted(person, "/users/delete", {"external_ids": ["p", "nobody", "p"]})["deleted"] == 3
    assert ids(person) == ["other"]
    (recorded,) = [each for each in person.requests() if each["path"] == "/users/delete"]
    assert recorded["objects"] == {"external_ids": 3}
    assert recorded["outcome"]["effects"] == {"profiles_deleted": 1}
    assert recorded["outcome"]["missed"] == 2


def test_who_comes_back_is_somebody_new(person: Client) -> None:
    before = person.profile()["braze_id"]
    posted(person, "/users/delete", {"external_ids": ["p"]})
    person.attributes({"external_id": "p", "b": 2})
    assert person.values() == {"b": 2}
    assert person.profile()["braze_id"] != before
    posted(person, "/users/alias/new", {"user_aliases": [{"external_id": "p", **ALIAS}]})
    assert person.profiles(**ALIAS)[0]["attributes"] == {"b": 2}


def test_a_deletion_that_leaves_a_choice_does_nothing(braze: Client) -> None:
    braze.attributes({"external_id": "p", "email": EMAIL}, {"external_id": "q", "email": EMAIL})
    several = {"email_addresses": [{"email": EMAIL, "prioritization": ["identified"]}]}
    assert posted(braze, "/users/delete", several)["deleted"] == 1
    assert ids(braze) == ["p", "q"]
    braze.attributes({"external_id": "p", "newer": True})
    several["email_addresses"][0]["prioritization"] = ["identified", "most_recently_updated"]
    posted(braze, "/users/delete", several)
    assert ids(braze) == ["q"]


# Aliases


@pytest.mark.parametrize("path", ["/users/alias/new", "/users/alias/update", "/users/identify"])
@pytest.mark.parametrize("size", ["none", "51", "no array"])
def test_arrays_of_1_to_50(braze: Client, path: str, size: str) -> None:
    array = {"/users/alias/new": "user_aliases", "/users/alias/update": "alias_updates"}.get(
        path, "aliases_to_identify"
    )
    items: Any = {"none": [], "51": [{}] * 51, "no array": {}}[size]
    message = {
        "none": f"'{array}' must not be empty",
        "51": "a single request may not contain more than 50 ",
        "no array": f"'{array}' must be an array of objects",
    }[size]
    assert posted(braze, path, {array: items}, 400)["message"].startswith(message)


def test_a_new_alias_finds_who_has_the_external_id(person: Client) -> None:
    (found,) = person.profiles(**ALIAS)
    assert (found["external_id"], found["user_aliases"]) == ("p", [ALIAS])
    person.attributes({"user_alias": ALIAS, "hit": True})
    assert person.values()["hit"] is True


def test_a_new_alias_without_an_external_id_makes_somebody(braze: Client) -> None:
    said = posted(braze, "/users/alias/new", {"user_aliases": [ALIAS]})
    assert said == {"aliases_processed": 1, "message": "success"}
    (profile,) = braze.profiles()
    assert (profile["external_id"], profile["user_aliases"]) == (None, [ALIAS])
    posted(braze, "/users/alias/new", {"user_aliases": [ALIAS]})
    assert len(braze.profiles()) == 1


@pytest.mark.parametrize(
    ("alias", "kept"),
    [
        pytest.param({"external_id": "nobody", **ALIAS, "alias_name": "m"}, [ALIAS], id="unknown external id"),
        pytest.param({"external_id": "p", **ALIAS, "alias_name": "m"}, [ALIAS], id="second name for a label"),
        pytest.param({"external_id": "other", **ALIAS}, [ALIAS], id="alias of another"),
        pytest.param(
            {"external_id": "p", "alias_name": "n", "alias_label": "second"},
            [ALIAS, {"alias_name": "n", "alias_label": "second"}],
            id="second label",
        ),
    ],
)
def test_success_does_not_say_that_an_alias_was_added(
    person: Client, alias: dict[str, Any], kept: list[dict[str, Any]]
) -> None:
    assert posted(person, "/users/alias/new", {"user_aliases": [alias]})["aliases_processed"] == 1
    assert person.profile()["user_aliases"] == kept
    assert ids(person) == ["p", "other"]


@pytest.mark.parametrize(
    ("path", "array", "good", "bad", "error"),
    [
        pytest.param(
            "/users/alias/new", "user_aliases", ALIAS, {"alias_name": "n"}, "'user_alias' must have", id="no label"
        ),
        pytest.param(
            "/users/alias/new",
            "user_aliases",
            ALIAS,
            {"external_id": "x" * 988, **ALIAS},
            "EXTERNAL_USER_ID_TOO_LARGE",
            id="long external id",
        ),
        pytest.param(
            "/users/alias/update",
            "alias_updates",
            {"alias_label": "l", "old_alias_name": "n", "new_alias_name": "m"},
            {"alias_label": "l", "old_alias_name": "n"},
            "'alias_label', 'old_alias_name' and",
            id="no new name",
        ),
        pytest.param(
            "/users/identify",
            "aliases_to_identify",
            {"external_id": "p", "user_alias": ALIAS},
            {"user_alias": ALIAS},
            "'external_id' is required",
            id="no external id",
        ),
        pytest.param(
            "/users/identify",
            "aliases_to_identify",
            {"external_id": "p", "user_alias": ALIAS},
            {"external_id": "p", "user_alias": "n"},
            "'user_alias' must have",
            id="alias as a text",
        ),
        pytest.param(
            "/users/identify",
            "emails_to_identify",
            {"external_id": "p", "email": EMAIL, "prioritization": ["unidentified"]},
            {"external_id": "p", "email": EMAIL},
            "'prioritization' must",
            id="e-mail without prioritization",
        ),
        pytest.param(
            "/users/identify",
            "phone_numbers_to_identify",
            {"external_id": "p", "phone": PHONE, "prioritization": ["unidentified"]},
            {"external_id": "p", "phone": "1", "prioritization": ["unidentified"]},
            "not a valid phone number",
            id="bad phone",
        ),
    ],
)
def test_one_bad_object_does_not_stop_the_others(
    braze: Client, *, path: str, array: str, good: dict[str, Any], bad: dict[str, Any], error: str
) -> None:
    said = posted(braze, path, {array: [good, bad]})
    (entry,) = said.pop("errors")
    assert said == {"aliases_processed": 1, "message": "success"}
    assert (entry["input_array"], entry["index"]) == (array, 1)
    assert error in entry["type"]
    said = posted(braze, path, {array: [bad]}, 400)
    assert said["message"] == f"Valid data must be provided in the '{array}' fields."
    assert len(said["errors"]) == 1


def test_an_alias_gets_another_name(person: Client) -> None:
    update = {"alias_label": "l", "old_alias_name": "n", "new_alias_name": "m"}
    said = posted(person, "/users/alias/update", {"alias_updates": [update]})
    assert said["message"] == "success"
    assert person.profiles(**ALIAS) == []
    (found,) = person.profiles(alias_label="l", alias_name="m")
    assert found["external_id"] == "p"


@pytest.mark.parametrize("old", ["unknown", "n"], ids=["unknown alias", "name of another"])
def test_an_alias_update_that_changes_nothing(person: Client, old: str) -> None:
    taken = {"external_id": "other", "alias_name": "taken", "alias_label": "l"}
    posted(person, "/users/alias/new", {"user_aliases": [taken]})
    update = {"alias_label": "l", "old_alias_name": old, "new_alias_name": "taken"}
    posted(person, "/users/alias/update", {"alias_updates": [update]})
    assert person.profile()["user_aliases"] == [ALIAS]
    assert person.profiles(alias_label="l", alias_name="taken")[0]["external_id"] == "other"


# Identify


@pytest.fixture
def anonymous(braze: Client) -> Client:
    """Somebody whom only an alias, an e-mail address and a phone number name."""
    braze.track(
        attributes=[
            {"user_alias": ALIAS, "email": EMAIL, "phone": PHONE, "a": 1, "b": 1, "_update_existing_only": False}
        ],
        events=[{"user_alias": ALIAS, "name": "e", "time": "2026-01-01T00:00:00Z"}],
    )
    return braze


KINDS: dict[str, dict[str, list[Any]]] = {
    "alias": {"aliases_to_identify": [{"external_id": "p", "user_alias": ALIAS}]},
    "e-mail": {"emails_to_identify": [{"external_id": "p", "email": EMAIL, "prioritization": ["unidentified"]}]},
    "phone": {
        "phone_numbers_to_identify": [
            {"external_id": "p", "phone": PHONE, "prioritization": ["unidentified", "least_recently_updated"]}
        ]
    },
}


@pytest.mark.parametrize("body", KINDS.values(), ids=KINDS)
def test_somebody_gets_an_external_id(anonymous: Client, body: dict[str, Any]) -> None:
    before = anonymous.profiles()[0]["braze_id"]
    assert posted(anonymous, "/users/identify", body) == {"aliases_processed": 1, "message": "success"}
    (profile,) = anonymous.profiles()
    assert (profile["external_id"], profile["braze_id"]) == ("p", before)
    assert profile["attributes"]["a"] == 1
    assert profile["user_aliases"] == [ALIAS]
    anonymous.attributes({"external_id": "p", "hit": True})
    assert len(anonymous.profiles()) == 1


@pytest.mark.parametrize("body", KINDS.values(), ids=KINDS)
def test_somebody_is_merged_into_who_has_the_external_id(anonymous: Client, body: dict[str, Any]) -> None:
    anonymous.track(
        attributes=[{"external_id": "p", "b": 2, "c": 2}],
        events=[{"external_id": "p", "name": "e", "time": "2026-01-03T00:00:00Z"}],
    )
    posted(anonymous, "/users/identify", body)
    (profile,) = anonymous.profiles()
    assert profile["attributes"] == {"email": EMAIL, "phone": PHONE, "a": 1, "b": 2, "c": 2}
    assert profile["events"] == [
        {"name": "e", "first": "2026-01-01T00:00:00.000Z", "last": "2026-01-03T00:00:00.000Z", "count": 2}
    ]
    assert anonymous.profiles(**ALIAS) == [profile]


def test_no_merge_if_both_have_an_alias_of_one_label(anonymous: Client) -> None:
    anonymous.attributes({"external_id": "p"})
    posted(anonymous, "/users/alias/new", {"user_aliases": [{"external_id": "p", **ALIAS, "alias_name": "m"}]})
    assert posted(anonymous, "/users/identify", KINDS["alias"])["aliases_processed"] == 1
    assert sorted(map(str, ids(anonymous))) == ["None", "p"]


def test_who_is_identified_stays_who_they_are(person: Client) -> None:
    posted(person, "/users/identify", {"aliases_to_identify": [{"external_id": "q", "user_alias": ALIAS}]})
    assert ids(person) == ["p", "other"]


def test_identifying_nobody_is_a_success(braze: Client) -> None:
    assert posted(braze, "/users/identify", KINDS["alias"])["aliases_processed"] == 1
    assert braze.profiles() == []


def test_fifty_over_all_arrays_of_identify(braze: Client) -> None:
    body = {name: items * 26 for name, items in {**KINDS["alias"], **KINDS["e-mail"]}.items()}
    assert "more than 50 users to identify" in posted(braze, "/users/identify", body, 400)["message"]
    assert "is required" in posted(braze, "/users/identify", {}, 400)["message"]


# Merge

P, Q = {"external_id": "p"}, {"external_id": "q"}


def merge(braze: Client, merged: Any, kept: Any, status: int = 202) -> dict[str, Any]:
    update = {"identifier_to_merge": merged, "identifier_to_keep": kept}
    return posted(braze, "/users/merge", {"merge_updates": [update]}, status)


IDENTIFIERS = "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({}, "'merge_updates' must be an array of objects", id="none"),
        pytest.param({"merge_updates": [1]}, "'merge_updates' must be an array of objects", id="no objects"),
        pytest.param(
            {"merge_updates": [{}] * 51}, "a single request may not contain more than 50 merge updates", id="51"
        ),
        pytest.param(
            {"merge_updates": [{"identifier_to_merge": P}]},
            "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'",
            id="one side",
        ),
        pytest.param(
            {"merge_updates": [{"identifier_to_merge": P, "identifier_to_keep": Q, "why": 1}]},
            "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'",
            id="something else",
        ),
        *(
            pytest.param(
                {"merge_updates": [{"identifier_to_merge": P, "identifier_to_keep": wrong}]}, IDENTIFIERS, id=str(wrong)
            )
            for wrong in ("q", {}, {"external_id": 1}, {"user_alias": "n"}, {"email": 1}, {**Q, "email": EMAIL})
        ),
        pytest.param(
            {"merge_updates": [{"identifier_to_merge": P, "identifier_to_keep": {"email": EMAIL}}]},
            "'prioritization' must be",
            id="e-mail without prioritization",
        ),
    ],
)
def test_a_merge_is_refused(braze: Client, body: dict[str, Any], message: str) -> None:
    assert posted(braze, "/users/merge", body, 400)["message"].startswith(message)


def test_a_merge_moves_what_the_list_names_and_nothing_else(braze: Client) -> None:
    token = {"app_id": "app", "token": "t"}
    braze.track(
        attributes=[
            {
                **P,
                "first_name": "Ada",
                "last_name": "Old",
                "email": EMAIL,
                "home_city": "London",
                "image_url": "https://example.com/a.png",
                "date_of_first_session": "2024-01-01",
                "date_of_last_session": "2024-02-01",
                "push_tokens": [token],
                "tier": "gold",
                "only_old": [1],
                "subscription_groups": [{"subscription_group_id": GROUP, "subscription_state": "subscribed"}],
            },
            {
                **Q,
                "last_name": "New",
                "date_of_first_session": "2025-01-01",
                "date_of_last_session": "2025-02-01",
                "push_tokens": [{"app_id": "app", "token": "u"}],
                "tier": "silver",
            },
        ],
        events=[
            {**P, "name": "both", "time": "2026-01-01T00:00:00Z"},
            {**P, "name": "old", "time": "2026-01-01T00:00:00Z"},
            {**Q, "name": "both", "time": "2026-01-05T00:00:00Z"},
        ],
        purchases=[
            {**each, "product_id": "s", "currency": "EUR", "price": 1.5, "time": "2026-01-02"} for each in (P, Q)
        ],
    )
    posted(braze, "/users/alias/new", {"user_aliases": [{**P, **ALIAS}]})
    gone = braze.profile()["braze_id"]
    assert merge(braze, P, Q) == {"message": "success"}
    (profile,) = braze.profiles()
    assert profile["external_id"] == "q"
    assert profile["attributes"] == {
        "first_name": "Ada",
        "last_name": "New",
        "email": EMAIL,
        "home_city": "London",
        "date_of_first_session": "2024-01-01",
        "date_of_last_session": "2025-02-01",
        "push_tokens": [token, {"app_id": "app", "token": "u"}],
        "tier": "silver",
        "only_old": [1],
    }
    assert {each["name"]: (each["first"][:10], each["last"][:10], each["count"]) for each in profile["events"]} == {
        "both": ("2026-01-01", "2026-01-05", 2),
        "old": ("2026-01-01", "2026-01-01", 1),
    }
    assert [(each["name"], each["count"]) for each in profile["purchases"]] == [("s", 2)]
    assert profile["revenue"] == {"EUR": 3}
    assert (profile["user_aliases"], profile["subscription_groups"]) == ([], {})
    assert gone in profile["notes"][0]["what"]
    assert not braze.exists("p")
    assert [each["external_id"] for each in braze.profiles(email=EMAIL)] == ["q"]


@pytest.mark.parametrize(
    ("merged", "kept", "left"),
    [
        pytest.param(P, {"external_id": "nobody"}, ["p", "q", None], id="nobody to keep"),
        pytest.param({"external_id": "nobody"}, Q, ["p", "q", None], id="nobody to merge"),
        pytest.param(P, P, ["p", "q", None], id="with themselves"),
        pytest.param({"email": EMAIL, "prioritization": ["unidentified"]}, P, ["p", "q"], id="the only unidentified"),
        pytest.param({"email": EMAIL, "prioritization": ["identified"]}, P, ["p", "q", None], id="a choice of two"),
        pytest.param(
            {"email": EMAIL, "prioritization": ["unidentified", "most_recently_updated"]},
            {"email": EMAIL, "prioritization": ["identified", "least_recently_updated"]},
            ["p", "q"],
            id="chosen on both sides",
        ),
        pytest.param({"user_alias": ALIAS}, {"external_id": "q"}, ["p", "q"], id="alias into external id"),
        pytest.param({"phone": PHONE, "prioritization": ["identified", "unidentified"][1:]}, Q, ["p", "q"], id="phone"),
    ],
)
def test_who_is_merged_into_whom(braze: Client, merged: Any, kept: Any, left: list[str | None]) -> None:
    braze.attributes({**P, "email": EMAIL}, {**Q, "email": EMAIL})
    braze.attributes({"user_alias": ALIAS, "email": EMAIL, "phone": PHONE, "_update_existing_only": False})
    merge(braze, merged, kept)
    assert ids(braze) == left


def test_merges_of_one_request_can_build_on_each_other(braze: Client) -> None:
    braze.attributes(*({"external_id": name, name: 1} for name in "abc"))
    updates = [
        {"identifier_to_merge": {"external_id": old}, "identifier_to_keep": {"external_id": new}}
        for old, new in (("a", "b"), ("b", "c"), ("a", "c"))
    ]
    posted(braze, "/users/merge", {"merge_updates": updates}, 202)
    assert [(each["external_id"], each["attributes"]) for each in braze.profiles()] == [("c", {"a": 1, "b": 1, "c": 1})]


# External ids


def rename(braze: Client, *pairs: tuple[Any, Any]) -> dict[str, Any]:
    renames = [{"current_external_id": old, "new_external_id": new} for old, new in pairs]
    return posted(braze, "/users/external_ids/rename", {"external_id_renames": renames})


def test_a_renamed_profile_is_found_by_both_ids(person: Client) -> None:
    assert rename(person, ("p", "new")) == {
        "rename_errors": [],
        "external_ids": [{"current_external_id": "p", "new_external_id": "new"}],
        "message": "success",
    }
    assert person.profile("new") == person.profile("p")
    assert (person.profile("p")["external_id"], person.profile("p")["deprecated_ids"]) == ("new", ["p"])
    person.attributes({"external_id": "p", "hit": 1}, {"external_id": "new", "hit": {"inc": 1}})
    assert person.values("new")["hit"] == 2
    assert ids(person) == ["new", "other"]
    assert [user["external_id"] for user in exported(person, external_ids=["p"])["users"]] == ["new"]
    assert person.stats()["data_points"]["total"] == 5


@pytest.mark.parametrize(
    ("pair", "error"),
    [
        pytest.param(("nobody", "new"), "not the primary", id="unknown"),
        pytest.param(("old", "newer"), "not the primary", id="deprecated"),
        pytest.param(("other", "p"), "already in use", id="in use"),
        pytest.param(("other", "old"), "already in use", id="in use as deprecated"),
        pytest.param(("other", "other"), "cannot be the same", id="the same"),
        pytest.param(("other", 1), "must be strings", id="a number"),
        pytest.param(("other", "x" * 988), "fewer than 988 bytes", id="too long"),
    ],
)
def test_a_rename_that_cannot_be_is_an_error_with_its_index(braze: Client, pair: tuple[Any, Any], error: str) -> None:
    braze.attributes(*({"external_id": name} for name in ("old", "other", "good")))
    rename(braze, ("old", "p"))
    said = rename(braze, ("good", "better"), pair)
    ((index, text),) = said["rename_errors"]
    assert index == 1
    assert error in text
    assert said["external_ids"] == [{"current_external_id": "good", "new_external_id": "better"}]


def test_a_deprecated_id_can_be_removed_and_a_primary_one_not(person: Client) -> None:
    rename(person, ("p", "new"))
    said = posted(person, "/users/external_ids/remove", {"external_ids": ["new", "p", "nobody"]})
    assert (said["removed_ids"], said["message"]) == (["p"], "success")
    assert [index for index, _ in said["removal_errors"]] == [0, 2]
    assert (person.exists("p"), person.exists("new")) == (False, True)
    person.attributes({"external_id": "p"})
    assert ids(person) == ["new", "other", "p"]


def test_an_id_can_go_from_one_to_another_in_one_request(braze: Client) -> None:
    braze.attributes({"external_id": "a", "n": "a"}, {"external_id": "b", "n": "b"})
    rename(braze, ("a", "c"))
    posted(braze, "/users/external_ids/remove", {"external_ids": ["a"]})
    rename(braze, ("b", "a"), ("c", "d"))
    assert [(each["external_id"], each["attributes"]["n"]) for each in braze.profiles()] == [("d", "a"), ("a", "b")]


def test_deleting_a_deprecated_id_deletes_the_profile(person: Client) -> None:
    rename(person, ("p", "new"))
    posted(person, "/users/delete", {"external_ids": ["p"]})
    assert ids(person) == ["other"]
    assert not person.exists("new")


@pytest.mark.parametrize(
    ("path", "array", "item"),
    [
        ("/users/external_ids/rename", "external_id_renames", {"current_external_id": "a", "new_external_id": "b"}),
        ("/users/external_ids/remove", "external_ids", "a"),
    ],
)
@pytest.mark.parametrize(("count", "status"), [(0, 400), (50, 201), (51, 400)])
def test_fifty_external_ids_at_most(
    braze: Client, *, path: str, array: str, item: Any, count: int, status: int
) -> None:
    posted(braze, path, {array: [item] * count}, status)


def test_who_was_renamed_can_be_merged_and_keeps_the_alias(person: Client) -> None:
    rename(person, ("p", "new"))
    merge(person, {"external_id": "other"}, {"external_id": "p"})
    (profile,) = person.profiles()
    assert profile["external_id"] == "new"
    assert person.profiles(**ALIAS) == [profile]
