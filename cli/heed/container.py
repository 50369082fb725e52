"""What the containers of compose.yaml run: ``python -m heed.container secrets|prepare|service NAME|demo``.

All secrets lie in one volume, each file owned by the user of the one container that may read it.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from common.migrate import upgrade
from heed.platform.databases import ensure_databases, role_of
from heed.platform.installation import Installation
from heed.platform.layout import Layout
from heed.platform.secrets import Secrets
from heed.platform.services import demo_program
from heed.platform.settings import SERVICES, RunSettings
from heed.platform.stack import Stack
from heed.platform.topics import create_topics
from heed.provision import provision

VOLUME = Path("/run/heed")
ADMIN_UID = 10000
SERVICE_UIDS = {service: ADMIN_UID + number for number, service in enumerate(SERVICES, 1)}
POSTGRES_UID = 999
GRAFANA_UID = 472
POSTGRES_HOST = "postgres"


def container_settings(secrets: Secrets) -> RunSettings:
    """The settings of `heed run`, with the host names of compose.yaml; what the environment sets wins."""
    known = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "SMTP_URL": "smtp://mailpit:1025",
        "CAMPAIGN_PUBLIC_URL": "http://localhost:8003",
    }
    for service in SERVICES:
        name, role = service.upper(), role_of(service)
        known[f"{name}_HOST"] = "0.0.0.0"  # noqa: S104 - inside a container; compose.yaml publishes on loopback
        known[f"{name}_URL"] = f"http://{service.replace('_', '-')}:{RunSettings.load({}).port(service)}"
        password = secrets.database_passwords[service]
        known[f"{name}_DATABASE_URL"] = f"postgresql+asyncpg://{role}:{password}@{POSTGRES_HOST}:5432/{role}"
    return RunSettings.load(known | dict(os.environ))


def installation() -> Installation:
    """The installation whose secrets lie in the volume; readable by the administrative containers only."""
    layout = Layout(VOLUME)
    return Installation(layout, container_settings(Secrets.load_or_create(layout.secrets)))


def make_secrets() -> None:
    """Make what is missing, as root, and give each file to the one who reads it."""
    VOLUME.chmod(0o711)
    os.chown(VOLUME, ADMIN_UID, ADMIN_UID)
    this = installation()
    os.chown(this.layout.secrets, ADMIN_UID, ADMIN_UID)
    for service, uid in SERVICE_UIDS.items():
        _write(VOLUME / f"{service}.env", _lines(this.services.told(service)), uid)
    _write(VOLUME / "postgres_password", this.secrets.postgres_password, POSTGRES_UID)
    _write(VOLUME / "grafana_password", this.secrets.demo_password, GRAFANA_UID)


def prepare() -> None:
    """Create topics, databases and roles, and bring every schema up to date."""
    this = installation()
    services = this.services
    admin_url = f"postgresql+asyncpg://postgres:{this.secrets.postgres_password}@{POSTGRES_HOST}:5432/postgres"
    asyncio.run(create_topics(services.bootstrap, this.settings.heed_topic_prefix))
    asyncio.run(ensure_databases(admin_url, this.secrets.database_passwords))
    for service in SERVICES:
        upgrade(service, services.database_url(service))


def run_service(service: str) -> None:
    """Become the service, with the settings from its own file; the container's environment wins."""
    told = dict(line.split("=", 1) for line in (VOLUME / f"{service}.env").read_text().splitlines())
    _become([sys.executable, "-m", f"{service}.main"], told | dict(os.environ))


def run_demo() -> None:
    """Create the demo's sign-ins and keys, print them, become the demo shop; nothing of it with DEMO=0."""
    this = installation()
    if not this.settings.demo:
        return
    access = provision(Stack(this), "http://localhost:8080")
    sys.stdout.write("".join(f"{label:<10} {value}\n" for label, value in access.lines().items()))
    sys.stdout.flush()
    program = demo_program(this.services, this.layout.log("demo"), access.keys)
    _become(list(program.argv), dict(os.environ) | dict(program.env))


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _write(path: Path, text: str, uid: int) -> None:
    path.unlink(missing_ok=True)
    path.touch(0o400)
    path.write_text(text)
    os.chown(path, uid, uid)


def _become(argv: list[str], env: dict[str, str]) -> None:
    os.execvpe(argv[0], argv, env)  # noqa: S606 - argv is ours


def main(arguments: list[str]) -> None:
    """Do what the first argument names."""
    actions: dict[str, Callable[..., None]] = {
        "secrets": make_secrets,
        "prepare": prepare,
        "service": run_service,
        "demo": run_demo,
    }
    actions[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
