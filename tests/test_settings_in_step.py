"""A setting is declared once: README, `meltano.yml` and `--about` say the same of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "target-braze" / "README.md"
PLUGINS = {"target-braze": "loaders", "tap-braze-currents": "extractors"}
SDK = ("stream_map", "faker_config", "flattening_")


@pytest.fixture(scope="module", params=PLUGINS)
def plugin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def about(plugin: str) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name(plugin)), "--about", "--format=json"]
    content: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return content


@pytest.fixture(scope="module")
def declared(about: dict[str, Any]) -> dict[str, Any]:
    """Setting → its declaration, nested ones by their path."""
    found: dict[str, Any] = {}
    for name, setting in about["settings"]["properties"].items():
        if name == "faker_config":
            found |= {f"{name}.{inner}": declaration for inner, declaration in setting["properties"].items()}
        else:
            found[name] = setting
    return found


@pytest.fixture(scope="module")
def entry(plugin: str) -> dict[str, Any]:
    """What meltano.yml says of the plugin."""
    project = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    [entry] = [entry for entry in project["plugins"][PLUGINS[plugin]] if entry["name"] == plugin]
    assert isinstance(entry, dict)
    return entry


def kinds(declaration: dict[str, Any]) -> set[str]:
    """What Meltano may call the setting's type."""
    if "enum" in declaration:
        return {"options"}
    branches = [declaration, *declaration.get("oneOf", ()), *declaration.get("anyOf", ())]
    types = {
        name
        for branch in branches
        for name in [branch.get("type", [])]
        for name in ([name] if isinstance(name, str) else name)
    }
    return types - {"null"}


def test_meltano_yml_names_the_same_settings(declared: dict[str, Any], entry: dict[str, Any]) -> None:
    assert [setting["name"] for setting in entry["settings"]] == list(declared)


def test_meltano_yml_says_the_same_of_each(declared: dict[str, Any], entry: dict[str, Any]) -> None:
    for setting in entry["settings"]:
        name, declaration = setting["name"], declared[setting["name"]]
        without_links = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", declaration["description"])
        assert setting["label"] == declaration["title"], name
        assert setting["description"] == without_links, name
        assert setting["kind"] in kinds(declaration), name
        assert setting.get("value") == declaration.get("default"), name
        assert setting.get("sensitive", False) == declaration.get("secret", False), name
        assert [option["value"] for option in setting.get("options", [])] == declaration.get("enum", []), name


def test_meltano_yml_names_the_same_capabilities(about: dict[str, Any], entry: dict[str, Any]) -> None:
    assert entry["capabilities"] == about["capabilities"]


def test_the_readme_has_a_row_for_each_of_ours_and_says_the_same(plugin: str, declared: dict[str, Any]) -> None:
    text = (
        (PROJECT / plugin / "README.md")
        .read_text()
        .partition("<!-- settings")[2]
        .partition("<!-- end of settings -->")[0]
    )
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    expected = []
    for name, declaration in declared.items():
        if name.startswith(SDK):
            continue
        secret = " (secret)" if declaration.get("secret") else ""
        default = f"`{json.dumps(declaration['default'])}`" if "default" in declaration else "none"
        expected.append([f"`{name}`{secret}", declaration["description"].replace("|", r"\|"), default])
    assert rows == expected


def test_every_setting_has_title_description_and_kind(declared: dict[str, Any]) -> None:
    for name, declaration in declared.items():
        assert declaration.get("title"), name
        assert declaration.get("description"), name
        assert kinds(declaration), name


def test_the_example_of_streams_in_the_readme_is_understood() -> None:
    """The settings as a reader would copy them."""
    from target_braze.settings import read_settings

    for path in (README, PROJECT / "README.md"):
        blocks = re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL)
        examples = [yaml.safe_load(block) for block in blocks if "streams:" in block]
        assert examples, path
        for example in examples:
            settings = read_settings({"instance": "sandbox", **example}, {})
            for name in example["streams"]:
                assert settings.stream(name).fields
