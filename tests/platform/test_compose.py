"""compose.yaml means the same system as `heed run`."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from heed.container import ADMIN_UID, SERVICE_UIDS
from heed.platform.kafka import JVM_FLAGS
from heed.platform.postgres import SETTINGS
from heed.platform.settings import SERVICES, RunSettings

ROOT = Path(__file__).parents[2]
# What only a container has, or only the local node.
OWN_KEYS = {"heap.opts", "listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return loaded


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")
@pytest.mark.parametrize("profiles", [[], ["--profile", "observability"]])
def test_docker_takes_the_file(profiles: list[str]) -> None:
    command = ["docker", "compose", "-f", str(ROOT / "compose.yaml"), *profiles, "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_broker_has_the_local_brokers_settings(services: dict[str, Any]) -> None:
    lines = (ROOT / "deploy/local/kafka/server.properties").read_text().splitlines()
    local = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    environment = services["kafka"]["environment"]
    given = {key.removeprefix("KAFKA_").lower().replace("_", "."): value for key, value in environment.items()}
    assert {k: v for k, v in given.items() if k not in OWN_KEYS} == local
    assert set(given["heap.opts"].split()) <= set(JVM_FLAGS)


def test_the_database_server_has_the_local_servers_settings(services: dict[str, Any]) -> None:
    options = dict(option.removeprefix("-c").split("=", 1) for option in services["postgres"]["command"][1:])
    here_only = {"listen_addresses", "unix_socket_directories"}
    assert options == {name: value for name, value in SETTINGS.items() if name not in here_only}


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_runs_on_its_port_as_its_own_user(services: dict[str, Any], service: str) -> None:
    container = services[service.replace("_", "-")]
    port = RunSettings.load({}).port(service)
    assert container["command"] == ["service", service]
    assert container["ports"] == [f"127.0.0.1:${{{service.upper()}_PORT:-{port}}}:{port}"]
    assert f":{port}/readyz" in container["healthcheck"]["test"][-1]
    assert container["user"] == f"{SERVICE_UIDS[service]}:{SERVICE_UIDS[service]}"
    assert container["volumes"] == ["secrets:/run/heed:ro"]
    conditions = {name: needed["condition"] for name, needed in container["depends_on"].items()}
    assert conditions == {
        "prepare": "service_completed_successfully",
        "kafka": "service_healthy",
        "postgres": "service_healthy",
    }


def test_nobody_but_the_administrative_containers_shares_a_user(services: dict[str, Any]) -> None:
    users = [container["user"] for container in services.values() if "user" in container]
    admin = f"{ADMIN_UID}:{ADMIN_UID}"
    assert users.count(admin) == len({"prepare", "demo"})
    others = [user for user in users if user != admin]
    assert len(others) == len(set(others))


def test_what_is_published_is_published_on_loopback_only(services: dict[str, Any]) -> None:
    ports = [port for container in services.values() for port in container.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_files_that_containers_mount_or_copy_exist(services: dict[str, Any]) -> None:
    mounts = [m.split(":")[0] for c in services.values() for m in c.get("volumes", []) if m.startswith("./")]
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy/docker/Dockerfile").read_text(), re.M)
    for path in [*mounts, *(path for line in copies for path in line.split())]:
        assert (ROOT / path).exists(), path
