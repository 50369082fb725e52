"""Settings, secrets, ports and what each process is told."""

import socket
from pathlib import Path

import pytest

from common.tokens import TokenVerifier
from heed.platform.errors import PlatformError, PortTakenError
from heed.platform.installation import Installation
from heed.platform.layout import Layout
from heed.platform.ports import LOOPBACK
from heed.platform.secrets import Secrets
from heed.platform.settings import SERVICES, RunSettings
from heed.platform.stack import Stack


def test_the_default_ports_are_those_of_the_contract() -> None:
    settings = RunSettings.load({})
    assert settings.port("console") == 8080
    assert [settings.port(s) for s in SERVICES[:6]] == [8001, 8002, 8003, 8004, 8005, 8006]
    assert settings.demo


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"CONSOLE_PORT": "http"}, "CONSOLE_PORT"),
        ({"HEED_KAFKA_PORT": "70000"}, "HEED_KAFKA_PORT"),
        ({"HEED_TOPIC_PREFIX": "a b"}, "HEED_TOPIC_PREFIX"),
        ({"SALES_DATABASE_URL": "postgresql+asyncpg://x"}, "CONTACT_DATABASE_URL"),
    ],
)
def test_an_unusable_setting_is_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(PlatformError, match=says):
        RunSettings.load(environ)


@pytest.mark.parametrize(("value", "demo"), [("0", False), ("false", False), ("1", True), ("", True)])
def test_demo_switch(value: str, demo: bool) -> None:
    assert RunSettings.load({"DEMO": value}).demo is demo


def test_what_runs_elsewhere_takes_no_port() -> None:
    urls = {f"{s.upper()}_DATABASE_URL": f"postgresql+asyncpg://u:p@db/{s}" for s in SERVICES}
    settings = RunSettings.load({"KAFKA_BOOTSTRAP_SERVERS": "k:9092", "SMTP_URL": "smtp://m", **urls})
    assert set(settings.own_ports()) == set(SERVICES)


def test_a_taken_port_names_the_setting(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        sock.listen()
        port = sock.getsockname()[1]
        stack = Stack(Installation(Layout(tmp_path), RunSettings.load({"SALES_PORT": str(port)})))
        with pytest.raises(PortTakenError, match=f"sales cannot listen on port {port}.*SALES_PORT"):
            stack.start()


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = Secrets.load_or_create(path)
    assert Secrets.load_or_create(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(set(first.database_passwords.values())) == len(SERVICES)


def test_broken_secrets_are_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text("{")
    with pytest.raises(PlatformError):
        Secrets.load_or_create(path)
    assert path.read_text() == "{"


def test_a_token_of_the_stack_is_accepted_by_services(tmp_path: Path) -> None:
    stack = Stack(Installation(Layout(tmp_path), RunSettings.load({})))
    verifier = TokenVerifier(stack.installation.secrets.token_public_key)
    assert verifier.verify(stack.token("sales")).roles == {"sales"}


def test_each_service_is_told_its_own_secrets_only(tmp_path: Path) -> None:
    environ = {"SALES_SLA_MINUTES": "5", "AWS_SECRET_ACCESS_KEY": "x"}
    installation = Installation(Layout(tmp_path), RunSettings.load(environ))
    secrets, services = installation.secrets, installation.services
    for service in SERVICES:
        env = services.environment(service)
        text = "\n".join(env.values())
        others = [word for name, word in secrets.database_passwords.items() if name != service]
        assert not any(word in text for word in others)
        assert secrets.postgres_password not in text
        assert (secrets.token_private_key in text) == (service == "console")
        assert ("SALES_SLA_MINUTES" in env) == (service == "sales")
        assert "AWS_SECRET_ACCESS_KEY" not in env
