"""What lies in deploy/ fits the program: well-formed, commands that exist, settings that exist. Nothing is run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from crops import a_project
from sqlalchemy import text

from hemosight.service.settings import PREFIX, Settings
from hemosight.service.storage.database import Database
from hemosight.service.work import jobs

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(DEPLOY.rglob("*.yaml"))
COMMANDS = {"serve", "worker"}


def documents(file: Path) -> list[Any]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


@pytest.mark.parametrize("file", [*FILES, *sorted(DEPLOY.glob("Containerfile*"))], ids=lambda file: file.name)
def test_every_setting_named_is_one(file: Path) -> None:
    # In compose, ${...} are the person's own variables; those of the program are keys or names.
    text = re.sub(r"\$\{.*?\}", "", file.read_text(encoding="utf-8"))
    named = set(re.findall(rf"{PREFIX}(\w+)", text))
    assert named <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_manifests_are_well_formed(file: Path) -> None:
    found = documents(file)
    assert found
    if file.parent.name == "kubernetes":
        assert all({"apiVersion", "kind", "metadata"} <= document.keys() for document in found)
    for node in _nodes(found):
        told = node.get("args") or (node.get("command") if "image" in node else None)
        if told:
            assert told[0] in COMMANDS


def test_kubernetes_selectors_find_their_pods() -> None:
    found = [document for file in FILES if file.parent.name == "kubernetes" for document in documents(file)]
    pods = [
        document["spec"]["template"]["metadata"]["labels"] for document in found if document["kind"] == "Deployment"
    ]
    for document in found:
        spec = document.get("spec", {})
        wanted = spec.get("selector", {}).get("matchLabels") or (
            spec.get("selector") if document["kind"] == "Service" else None
        )
        if wanted:
            assert sum(wanted.items() <= labels.items() for labels in pods) == 1
    assert len(pods) == 2


@pytest.mark.parametrize("version", ["1.33", "1.37"])
@pytest.mark.parametrize(
    "file", [file for file in FILES if file.parent.name == "kubernetes"], ids=lambda file: file.name
)
def test_manifests_fit_the_schemas_of_kubernetes(file: Path, version: str) -> None:
    for document in documents(file):
        if document["apiVersion"] == "keda.sh/v1alpha1":  # a resource of KEDA, whose schema is not Kubernetes' own
            continue
        kubernetes_validate.validate(document, version, strict=True)


def test_a_worker_of_kubernetes_has_room_for_a_dossier_beside_its_reading() -> None:
    """Which takes half of the container at most, and 1.7 GiB for 2,000 cells."""
    (deployment,) = documents(DEPLOY / "kubernetes" / "worker.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    limit = container["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    assert int(limit.removesuffix("Gi")) / 2 >= 1.7


def test_a_slip_in_a_manifest_is_found() -> None:
    (deployment,) = documents(DEPLOY / "kubernetes" / "worker.yaml")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.37", strict=True)


def test_the_scaler_counts_what_waits_and_what_is_read(database: Database) -> None:
    (scaler,) = documents(DEPLOY / "kubernetes" / "scaler.yaml")
    names = [document["metadata"]["name"] for document in documents(DEPLOY / "kubernetes" / "worker.yaml")]
    assert [scaler["spec"]["scaleTargetRef"]["name"]] == names
    (trigger,) = scaler["spec"]["triggers"]
    assert trigger["type"] == "postgresql"
    # The fields of KEDA's PostgreSQL scaler; an unknown one is passed over by it in silence.
    known = {"connectionFromEnv", "query", "targetQueryValue", "activationTargetQueryValue"}
    assert trigger["metadata"].keys() <= known
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    assert trigger["metadata"]["connectionFromEnv"] == f"{PREFIX}DATABASE"
    project = a_project(database)
    with database.session() as session:
        jobs.enqueue(session, project_id=project, bundle_id=1, images=range(1, 1 + 3 * jobs.CHUNK), done=jobs.FIRST)
    with database.session() as session:
        assert session.scalar(text(trigger["metadata"]["query"])) == 3


def test_the_compose_file_is_whole() -> None:
    told = documents(DEPLOY / "compose.yaml")[0]
    services = told["services"]
    assert set(services) == {"database", "service", "worker"}
    assert services["worker"]["deploy"]["replicas"] == 2
    for name in ("service", "worker"):
        assert services[name]["depends_on"] == {"database": {"condition": "service_healthy"}}
        assert services[name]["environment"]["HEMOSIGHT_DATABASE"].count("@database/") == 1
    assert services["database"]["healthcheck"]["test"]
    volumes = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert volumes == set(told["volumes"])
    (port,) = services["service"]["ports"]
    assert port.startswith("127.0.0.1:"), "nobody else's before TLS stands in front"


CONTAINERFILES = sorted(DEPLOY.glob("Containerfile*"))


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.name)
def test_what_a_containerfile_copies_is_there(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert copied
    for source in (source for sources in copied for source in sources):
        assert (DEPLOY.parent / source).exists(), source
    commands = [json.loads(line.removeprefix("CMD "))[0] for line in lines if line.startswith("CMD ")]
    assert set(commands) <= COMMANDS
    assert commands
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["hemosight"], "not as root"


def test_no_secret_is_written_down() -> None:
    for file in FILES:
        for line in file.read_text(encoding="utf-8").splitlines():
            if re.search(r"password:? *[^$]|:[^/@\s]+@", line, re.I) and not line.lstrip().startswith("#"):
                assert re.search(r"\$\{HEMOSIGHT_DB_PASSWORD|CHOOSE-A-PASSWORD", line), line


UNIT = DEPLOY / "hemosight.service"


def test_the_unit_names_settings_and_a_command_that_exist() -> None:
    unit = UNIT.read_text(encoding="utf-8")
    named = set(re.findall(rf"^[^#]*\b{PREFIX}(\w+)", unit, re.MULTILINE))
    assert named <= {name.upper() for name in Settings.model_fields}
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert command.split()[1] in COMMANDS
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(seconds) > Settings.model_fields["stop_seconds"].default, "the program ends by itself before"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_the_unit_right_and_well_locked_up(tmp_path: Path) -> None:
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/hemosight/bin/hemosight serve", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    words = ["systemd-analyze", "security", "--offline=true", file]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for hemosight.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) < 3.0, "OK, as systemd calls it"
