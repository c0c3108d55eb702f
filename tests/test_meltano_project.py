"""The Meltano project: complete in itself, without secrets, and working with no access to the plugin hub."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parent.parent
MELTANO = Path(sys.executable).with_name("meltano")
PROJECT_FILE = PROJECT / "meltano.yml"
JOBS = {
    "customer-attributes", "recent-buyers", "purchases", "win-back-campaign",
    "engagement-events", "engagement-attributes",
}  # fmt: skip
PRODUCTION = {
    "WAREHOUSE_URL": "postgresql+psycopg2://someone:something@warehouse.example.com/analytics",
    "BRAZE_INSTANCE": "EU-01",
    "BRAZE_API_KEY": "not-a-key",
    "CURRENTS_PATH": "s3://a-bucket/currents/",
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    content = yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a project")
    shutil.copy(PROJECT_FILE, folder)
    shutil.copytree(PROJECT / "plugins", folder / "plugins", ignore=shutil.ignore_patterns("braze-sandbox"))
    return folder


def meltano(copy: Path, *arguments: str) -> str:
    """What a Meltano command prints in a copy of the project, from where no hub can be reached."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MELTANO_", "TAP_", "TARGET_"))
    }
    nowhere = "http://127.0.0.1:9"
    environment |= PRODUCTION | {"MELTANO_HUB_API_ROOT": nowhere, "MELTANO_HUB_URL": nowhere, "NO_COLOR": "1"}
    environment |= {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}
    done = subprocess.run([MELTANO, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def plugins(project: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, plugin) for kind, listed in project["plugins"].items() for plugin in listed]


def test_every_plugin_is_defined_without_the_hub(project: dict[str, Any]) -> None:
    for kind, plugin in plugins(project):
        if "inherit_from" not in plugin and "namespace" not in plugin:
            lock = json.loads(
                (PROJECT / "plugins" / kind / f"{plugin['name']}--{plugin['variant']}.lock").read_text("utf-8")
            )
            assert lock["pip_url"] == plugin["pip_url"], "one version, said twice"
            assert "==" in lock["pip_url"], "pinned"


def test_meltano_understands_all_of_it_with_no_hub(copy: Path) -> None:
    meltano(copy, "compile")
    manifests = {path.name for path in (copy / ".meltano" / "manifests").iterdir()}
    assert {"meltano-manifest.sandbox.json", "meltano-manifest.production.json"} <= manifests


def test_jobs_and_their_schedules_are_there(copy: Path) -> None:
    listed = json.loads(meltano(copy, "schedule", "list", "--format=json"))["schedules"]["job"]
    assert {schedule["job"]["name"] for schedule in listed} == JOBS
    assert all(len(schedule["interval"].split()) == 5 for schedule in listed)


@pytest.mark.parametrize("plugin", ["target-braze", "target-braze--ledger"])
@pytest.mark.parametrize(("environment", "instance"), [("sandbox", "sandbox"), ("production", "EU-01")])
def test_where_an_environment_delivers(copy: Path, environment: str, instance: str, plugin: str) -> None:
    """And the ledger that is looked into is the one that is written."""
    config = json.loads(meltano(copy, f"--environment={environment}", "config", "print", plugin, "--format=json"))
    assert config["instance"] == instance
    assert ("api_key" in config) == (environment == "production")
    assert config["report_path"] == str(copy / ".meltano" / "target-braze" / "reports")


def test_secrets_are_in_the_environment_alone(project: dict[str, Any]) -> None:
    [production] = [environment for environment in project["environments"] if environment["name"] == "production"]
    configured = production["config"]["plugins"]
    configs = {plugin["name"]: plugin["config"] for kind in configured.values() for plugin in kind}
    assert configs["tap-postgres"] == configs["target-postgres"] == {"sqlalchemy_url": "$WAREHOUSE_URL"}
    assert configs["tap-braze-currents"] == {"path": "$CURRENTS_PATH"}, "keys are AWS's own affair"
    assert configs["target-braze"]["api_key"] == "$BRAZE_API_KEY"
    assert "api_key" not in PROJECT_FILE.read_text(encoding="utf-8").replace("api_key: $BRAZE_API_KEY", "").replace(
        "name: api_key", ""
    )


def test_the_example_names_every_variable_and_no_other(project: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", yaml.dump(project))) - {"MELTANO_PROJECT_ROOT"}
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == used == set(PRODUCTION)
    assert re.search(r"^BRAZE_API_KEY=$", example, re.MULTILINE), "an example of a key would be taken for one"


def test_the_default_is_the_sandbox_and_nothing_is_reported(project: dict[str, Any]) -> None:
    assert project["default_environment"] == "sandbox"
    assert project["send_anonymous_usage_stats"] is False
    assert "version" not in project


def test_settings_are_described(project: dict[str, Any]) -> None:
    settings = [setting for _, plugin in plugins(project) for setting in plugin.get("settings", [])]
    assert settings
    for setting in settings:
        assert {"name", "kind", "label", "description"} <= setting.keys(), setting["name"]
    secret = {setting["name"] for setting in settings if setting.get("sensitive")}
    assert {"api_key", "aws_secret_access_key", "aws_session_token"} <= secret


def test_selected_streams_are_what_the_sql_makes(project: dict[str, Any]) -> None:
    sql = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "demo").glob("*.sql")))
    for _, plugin in plugins(project):
        for pattern in plugin.get("select", []):
            schema, stream = pattern.removesuffix(".*").split("-", 1)
            assert f"{schema}.{stream}" in sql.replace('"', ""), pattern
            assert list(plugin["metadata"]) == [f"{schema}-{stream}"]


def test_what_is_sent_once_has_a_key(project: dict[str, Any]) -> None:
    """A view has no primary key; without one given here, an event or a purchase is known by all it says."""
    listed = plugins(project)
    [streams] = [plugin["config"]["streams"] for _, plugin in listed if plugin["name"] == "target-braze"]
    once = [name for name, settings in streams.items() if settings.get("object") in ("events", "purchases")]
    metadata = {name: said for _, plugin in listed for name, said in plugin.get("metadata", {}).items()}
    assert once
    assert all(metadata[name].get("key-properties") for name in once)


def test_no_address_of_a_package_registry() -> None:
    files = [
        PROJECT_FILE,
        PROJECT / ".env.example",
        *(PROJECT / "plugins").glob("*/*.lock"),
        *(PROJECT / "demo").glob("*.*"),
    ]
    for path in files:
        assert not re.search(r"pypi\.|pythonhosted|index-url|find-links", path.read_text(encoding="utf-8")), path
