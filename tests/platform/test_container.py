"""What the containers' entry point writes and runs; the container runtime itself is not needed."""

import os
from pathlib import Path

import pytest

from heed import container
from heed.platform.secrets import Secrets
from heed.platform.settings import SERVICES


@pytest.fixture
def owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """An empty secrets volume; who was given which file."""
    given: dict[str, int] = {}
    monkeypatch.setattr(container, "VOLUME", tmp_path)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.update({Path(path).name: uid}))
    for name in [name for name in os.environ if name.startswith(tuple(f"{s.upper()}_" for s in SERVICES))]:
        monkeypatch.delenv(name)
    return given


def test_each_file_belongs_to_the_one_container_that_reads_it(owners: dict[str, int], tmp_path: Path) -> None:
    container.make_secrets()
    assert owners["secrets.json"] == container.ADMIN_UID
    assert owners["postgres_password"] == container.POSTGRES_UID
    assert {s: owners[f"{s}.env"] for s in SERVICES} == container.SERVICE_UIDS
    private = [path for path in tmp_path.iterdir() if path.stat().st_mode & 0o077]
    assert private == []


def test_a_second_start_finds_the_same_secrets(owners: dict[str, int], tmp_path: Path) -> None:
    container.make_secrets()
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    container.make_secrets()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_service_is_told_the_names_of_compose(
    owners: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container.make_secrets()
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execvpe", lambda file, argv, env: started.append((argv, env)))
    monkeypatch.setenv("SALES_CHECK_SECONDS", "7")
    container.main(["service", "sales"])
    container.main(["service", "console"])
    (sales_argv, sales), (_, console) = started
    password = Secrets.load_or_create(tmp_path / "secrets.json").database_passwords["sales"]
    assert sales_argv[1:] == ["-m", "sales.main"]
    assert sales["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092"
    assert sales["SALES_DATABASE_URL"] == f"postgresql+asyncpg://heed_sales:{password}@postgres:5432/heed_sales"
    assert (sales["SALES_HOST"], sales["SALES_PORT"], sales["SALES_CHECK_SECONDS"]) == ("0.0.0.0", "8004", "7")
    assert console["LEAD_CAPTURE_URL"] == "http://lead-capture:8001"
    assert "CONSOLE_TOKEN_PRIVATE_KEY" not in sales


def test_demo_off_ends_at_once(owners: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    container.make_secrets()
    monkeypatch.setenv("DEMO", "0")
    container.main(["demo"])
