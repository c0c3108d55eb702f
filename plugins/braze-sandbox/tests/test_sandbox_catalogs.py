"""Catalogs and their items: every error by its identifier, and what each method does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import requests
    from braze_sandbox.testing import Client

FIELDS = [
    {"name": "id", "type": "string"},
    {"name": "Name", "type": "string"},
    {"name": "Rating", "type": "number"},
    {"name": "Open", "type": "boolean"},
    {"name": "Since", "type": "time"},
    {"name": "Place", "type": "object"},
    {"name": "Dishes", "type": "array"},
]
ITEMS = "/catalogs/restaurants/items"
ONE = {
    "id": "r1",
    "Name": "Ada's",
    "Rating": 5,
    "Open": True,
    "Since": "2022-11-01T09:03:19.967+00:00",
    "Place": {"Latitude": 33.6},
    "Dishes": ["Soup"],
}


def create(braze: Client, **catalog: Any) -> requests.Response:
    return braze.post(
        "/catalogs", {"catalogs": [{"name": "restaurants", "description": "Ours", "fields": FIELDS, **catalog}]}
    )


@pytest.fixture
def catalog(braze: Client) -> Client:
    assert create(braze).status_code == 201
    return braze


def errors(answer: requests.Response, status: int = 400) -> list[str]:
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["message"] == "Invalid Request"
    assert all(set(each) == {"id", "message", "parameters", "parameter_values"} for each in said["errors"])
    return [each["id"] for each in said["errors"]]


def test_a_catalog_is_created_listed_and_deleted(braze: Client) -> None:
    said = create(braze).json()
    (made,) = said["catalogs"]
    assert made.pop("updated_at").endswith("Z")
    assert made == {"name": "restaurants", "description": "Ours", "fields": FIELDS, "num_items": 0}
    assert said["message"] == "success"
    braze.send("PUT", ITEMS, {"items": [ONE]})
    (listed,) = braze.get("/catalogs").json()["catalogs"]
    assert (listed["name"], listed["num_items"]) == ("restaurants", 1)
    answer = braze.send("DELETE", "/catalogs/restaurants")
    assert (answer.status_code, answer.json()) == (200, {"message": "success"})
    assert braze.catalogs() == {}
    assert create(braze).status_code == 201
    assert braze.catalog_items("restaurants") == {}


def test_an_error_is_as_recorded(catalog: Client) -> None:
    assert create(catalog).json() == {
        "errors": [
            {
                "id": "catalog-name-already-exists",
                "message": "A catalog with that name already exists",
                "parameters": ["name"],
                "parameter_values": ["restaurants"],
            }
        ],
        "message": "Invalid Request",
    }


def fields(*more: Any) -> list[Any]:
    return [FIELDS[0], *more]


@pytest.mark.parametrize(
    ("catalog", "error"),
    [
        pytest.param({"name": "a b"}, "invalid_catalog_name", id="space in the name"),
        pytest.param({"name": ""}, "invalid_catalog_name", id="no name"),
        pytest.param({"name": 1}, "invalid_catalog_name", id="number for a name"),
        pytest.param({"name": "x" * 251}, "catalog-name-too-large", id="long name"),
        pytest.param({"description": "x" * 251}, "description-too-long", id="long description"),
        pytest.param({"fields": {}}, "invalid-fields", id="fields no array"),
        pytest.param({"fields": ["id"]}, "invalid-fields", id="fields no objects"),
        pytest.param({"fields": []}, "id-not-first-column", id="no fields"),
        pytest.param({"fields": FIELDS[1:]}, "id-not-first-column", id="no id"),
        pytest.param({"fields": [{"name": "id", "type": "number"}]}, "id-not-first-column", id="id no string"),
        pytest.param(
            {"fields": fields({"name": "a.b", "type": "string"})}, "invalid-field-names", id="point in a field"
        ),
        pytest.param(
            {"fields": fields({"name": "x" * 251, "type": "string"})}, "field-names-too-large", id="long field"
        ),
        pytest.param({"fields": fields({"name": "a", "type": "text"})}, "invalid-field-types", id="no such type"),
        pytest.param({"fields": fields(*[{"name": "a", "type": "string"}] * 2)}, "field-names-not-unique", id="twice"),
        pytest.param(
            {"fields": fields(*({"name": f"f{n}", "type": "string"} for n in range(500)))}, "too-many-fields", id="501"
        ),
    ],
)
def test_a_catalog_is_refused(braze: Client, catalog: dict[str, Any], error: str) -> None:
    assert errors(create(braze, **catalog)) == [error]
    assert braze.catalogs() == {}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param({}, "catalog-array-invalid", id="none"),
        pytest.param({"catalogs": [1]}, "catalog-array-invalid", id="no object"),
        pytest.param({"catalogs": [{}, {}]}, "too-many-catalog-atoms", id="two"),
    ],
)
def test_an_array_of_one_catalog(braze: Client, body: dict[str, Any], error: str) -> None:
    assert errors(braze.post("/catalogs", body)) == [error]


WRITING = ("POST", "PUT", "PATCH")
METHODS = (*WRITING, "DELETE")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param({}, "item-array-invalid", id="none"),
        pytest.param({"items": []}, "item-array-invalid", id="empty"),
        pytest.param({"items": ["r1"]}, "item-array-invalid", id="no objects"),
        pytest.param({"items": [{"id": str(n)} for n in range(51)]}, "request-includes-too-many-items", id="51"),
        pytest.param({"items": [{"id": "r1"}, {}]}, "items-missing-ids", id="no id"),
        pytest.param({"items": [{"id": "r1"}, {"id": "r1"}]}, "ids-not-unique", id="twice"),
        pytest.param({"items": [{"id": "x" * 251}]}, "ids-too-large", id="long id"),
        pytest.param({"items": [{"id": "a b"}]}, "invalid-ids", id="space in an id"),
        pytest.param({"items": [{"id": ""}]}, "invalid-ids", id="empty id"),
    ],
)
def test_items_are_refused_by_every_method(catalog: Client, method: str, body: dict[str, Any], error: str) -> None:
    assert errors(catalog.send(method, ITEMS, body)) == [error]


@pytest.mark.parametrize("method", METHODS)
def test_an_id_that_is_no_string(catalog: Client, method: str) -> None:
    spelling = "ids-not-string" if method == "PUT" else "ids-not-strings"
    assert errors(catalog.send(method, ITEMS, {"items": [{"id": 1}]})) == [spelling]


@pytest.mark.parametrize("method", [*METHODS, "GET"])
def test_a_catalog_that_is_not_there_is_404(braze: Client, method: str) -> None:
    body = {"items": [{"id": "r1"}]}
    assert errors(braze.send(method, ITEMS, None if method == "GET" else body), 404) == ["catalog-not-found"]
    assert errors(braze.send("DELETE", "/catalogs/restaurants"), 404) == ["catalog-not-found"]


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("method", WRITING)
@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param({"Price": 1}, "invalid-fields", id="unknown field"),
        pytest.param({"Name": "x" * 5001}, "items-too-large", id="long text"),
        pytest.param({"Dishes": ["x" * 5000]}, "items-too-large", id="long array"),
        pytest.param({"Place": {"a.b": 1}}, "invalid-keys-in-value-object", id="point in a key"),
        pytest.param({"Place": {"a": [{"$b": 1}]}}, "invalid-keys-in-value-object", id="dollar deeper in"),
        pytest.param({"Place": nested(51)}, "too-deep-nesting-in-value-object", id="51 levels"),
        pytest.param({"Name": {"a": 1}}, "unable-to-coerce-value", id="object as a text"),
        pytest.param({"Rating": "many"}, "unable-to-coerce-value", id="text as a number"),
        pytest.param({"Rating": True}, "unable-to-coerce-value", id="boolean as a number"),
        pytest.param({"Open": 1}, "unable-to-coerce-value", id="number as a boolean"),
        pytest.param({"Open": "yes"}, "unable-to-coerce-value", id="text as a boolean"),
        pytest.param({"Since": "soon"}, "unable-to-coerce-value", id="text as a time"),
        pytest.param({"Place": "here"}, "unable-to-coerce-value", id="text as an object"),
        pytest.param({"Dishes": "Soup"}, "unable-to-coerce-value", id="text as an array"),
    ],
)
def test_one_bad_item_refuses_them_all(catalog: Client, method: str, values: dict[str, Any], error: str) -> None:
    answer = catalog.send(method, ITEMS, {"items": [{"id": "good"}, {"id": "bad", **values}]})
    assert errors(answer) == [error]
    assert answer.json()["errors"][0]["parameter_values"] == ["bad"]
    assert catalog.catalog_items("restaurants") == {}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param({"Name": 5}, {"Name": "5"}, id="number as a text"),
        pytest.param({"Name": True}, {"Name": "true"}, id="boolean as a text"),
        pytest.param({"Rating": "4.5"}, {"Rating": 4.5}, id="text as a number"),
        pytest.param({"Open": "False"}, {"Open": False}, id="text as a boolean"),
        pytest.param({"Name": "x" * 5000}, {"Name": "x" * 5000}, id="5,000 characters"),
        pytest.param({"Place": nested(50)}, {"Place": nested(50)}, id="50 levels"),
        pytest.param({"Name": None}, {}, id="null"),
    ],
)
def test_values_take_the_type_of_their_field(catalog: Client, sent: dict[str, Any], kept: dict[str, Any]) -> None:
    answer = catalog.send("PUT", ITEMS, {"items": [{"id": "r1", **sent}]})
    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    assert catalog.catalog_items("restaurants") == {"r1": {"id": "r1", **kept}}


@pytest.mark.parametrize(
    ("method", "there", "absent"),
    [
        ("POST", ONE, {"id": "r2", "Name": "New"}),
        ("PUT", {"id": "r1", "Name": "New"}, {"id": "r2", "Name": "New"}),
        ("PATCH", {**ONE, "Name": "New"}, None),
        ("DELETE", None, None),
    ],
)
def test_what_each_method_does(
    catalog: Client, method: str, there: dict[str, Any] | None, absent: dict[str, Any] | None
) -> None:
    catalog.send("POST", ITEMS, {"items": [ONE]})
    sent = [{"id": name} if method == "DELETE" else {"id": name, "Name": "New"} for name in ("r1", "r2")]
    answer = catalog.send(method, ITEMS, {"items": sent})
    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    kept = {"r1": there, "r2": absent}
    assert catalog.catalog_items("restaurants") == {name: item for name, item in kept.items() if item}


@pytest.mark.parametrize(
    ("change", "dishes"),
    [
        pytest.param({"$add": ["Cake", "Soup"]}, ["Soup", "Cake"], id="add"),
        pytest.param({"$remove": ["Soup"]}, [], id="remove"),
        pytest.param({"$add": ["Cake"], "$remove": ["Soup"]}, ["Cake"], id="both"),
        pytest.param(["Pie"], ["Pie"], id="whole"),
    ],
)
def test_patch_adds_to_arrays_and_removes_from_them(catalog: Client, change: Any, dishes: list[str]) -> None:
    catalog.send("POST", ITEMS, {"items": [ONE]})
    assert catalog.send("PATCH", ITEMS, {"items": [{"id": "r1", "Dishes": change}]}).status_code == 202
    assert catalog.catalog_items("restaurants")["r1"]["Dishes"] == dishes


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_only_patch_takes_operators(catalog: Client, method: str) -> None:
    answer = catalog.send(method, ITEMS, {"items": [{"id": "r1", "Dishes": {"$add": ["Cake"]}}]})
    assert errors(answer) == ["invalid-keys-in-value-object"]


def test_items_come_fifty_at_a_time(catalog: Client) -> None:
    for start in range(0, 120, 50):
        items = [{"id": f"r{n:03d}"} for n in range(start, min(start + 50, 120))]
        catalog.send("POST", ITEMS, {"items": items})
    pages, path = [], ITEMS
    while path:
        answer = catalog.get(path)
        pages.append([item["id"] for item in answer.json()["items"]])
        path = answer.links.get("next", {}).get("url", "")
    assert [len(page) for page in pages] == [50, 50, 20]
    assert [name for page in pages for name in page] == [f"r{n:03d}" for n in range(120)]
    assert answer.links["prev"]["url"] == f"{ITEMS}?cursor=c2tpcDo1MA=="
    assert errors(catalog.get(ITEMS, cursor="bad-cursor")) == ["invalid-cursor"]


def test_a_request_says_what_it_did_to_items(catalog: Client) -> None:
    catalog.send("POST", ITEMS, {"items": [ONE]})
    catalog.send("PUT", ITEMS, {"items": [ONE, {"id": "r2"}]})
    catalog.send("PATCH", ITEMS, {"items": [{"id": "r2", "Name": "New"}, {"id": "r3"}]})
    outcomes = [each["outcome"] for each in catalog.requests()[1:]]
    assert [each["effects"] for each in outcomes] == [
        {"items_created": 1},
        {"items_created": 1},
        {"items_changed": 1, "items_ignored": 1},
    ]
    assert [each["unchanged"] for each in outcomes] == [0, 1, 0]
    assert outcomes[2]["steps"] == [
        ["restaurants/r2", "", "changed: Name"],
        ["restaurants/r3", "", "ignored: there is no such item"],
    ]
