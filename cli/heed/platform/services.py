"""Each service as a process: what it is told, and nothing else."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heed.platform.databases import role_of
from heed.platform.layout import PROJECT, Layout
from heed.platform.ports import LOOPBACK
from heed.platform.process import Child, Program, base_env
from heed.platform.secrets import Secrets
from heed.platform.settings import SERVICES, RunSettings

# Whoever calls another service's API signs tokens for it.
SIGNERS = ("console",)
# A journey waits days; who looks at a demo does not: a week passes in three minutes.
DEMO_WAIT_SCALE = "0.0003"
# Nor does as much happen in a day elsewhere: the owners of the demo are shown it all.
DEMO_ALERTS_PER_DAY = "100"


@dataclass(frozen=True)
class Services:
    """The environments and processes of all services of one installation."""

    layout: Layout
    settings: RunSettings
    secrets: Secrets
    bootstrap: str
    smtp_url: str

    def url(self, service: str) -> str:
        """Base address of a service's HTTP API."""
        return self.settings.urls.get(service, f"http://{LOOPBACK}:{self.settings.port(service)}")

    def database_url(self, service: str) -> str:
        """SQLAlchemy's URL of a service's own database."""
        if given := self.settings.database_urls.get(service):
            return given
        role, password = role_of(service), self.secrets.database_passwords[service]
        return f"postgresql+asyncpg://{role}:{password}@{LOOPBACK}:{self.settings.heed_postgres_port}/{role}"

    def environment(self, service: str) -> dict[str, str]:
        """The whole environment of a service's process on this machine."""
        return base_env() | {"PYTHONUNBUFFERED": "1"} | self.told(service)

    def told(self, service: str) -> dict[str, str]:
        """The settings and secrets of a service, wherever it runs."""
        prefix = f"{service.upper()}_"
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "HEED_TOPIC_PREFIX": self.settings.heed_topic_prefix,
            "HEED_TOKEN_PUBLIC_KEY": self.secrets.token_public_key,
            "HEED_INSTANCE": "1",
            "LOG_LEVEL": self.settings.log_level,
            f"{prefix}HOST": LOOPBACK,
        }
        if endpoint := self.settings.otel_exporter_otlp_endpoint:
            env["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        env |= {name: value for name, value in self.settings.passed_on.items() if name.startswith(prefix)}
        env[f"{prefix}DATABASE_URL"] = self.database_url(service)
        env[f"{prefix}PORT"] = str(self.settings.port(service))
        return env | self._particular(service, env)

    def _particular(self, service: str, env: dict[str, str]) -> dict[str, str]:
        more: dict[str, str] = {}
        if service in SIGNERS:
            more[f"{service.upper()}_TOKEN_PRIVATE_KEY"] = self.secrets.token_private_key
        if service == "console":
            more |= {f"{s.upper()}_URL": self.url(s) for s in SERVICES}
        if service == "campaign":
            more["SMTP_URL"] = self.smtp_url
            more["CAMPAIGN_PUBLIC_URL"] = env.get("CAMPAIGN_PUBLIC_URL", self.url("campaign"))
            if self.settings.demo:
                more["CAMPAIGN_WAIT_SCALE"] = env.get("CAMPAIGN_WAIT_SCALE", DEMO_WAIT_SCALE)
        if service == "sales" and self.settings.demo:
            more["SALES_ALERTS_PER_DAY"] = env.get("SALES_ALERTS_PER_DAY", DEMO_ALERTS_PER_DAY)
        return more

    def child(self, service: str) -> Child:
        """A service's process, not started yet."""
        return Child(
            Program(
                name=service,
                argv=[sys.executable, "-m", f"{service}.main"],
                env=self.environment(service),
                log=self.layout.log(service),
                is_ready=lambda: answers(f"{self.url(service)}/readyz"),
                cwd=PROJECT,
            )
        )

    def migration(self) -> Child:
        """One process that brings every database to its newest schema: seven would import seven times."""
        env: dict[str, str] = {}
        for service in SERVICES:
            env |= self.environment(service)
        return Child(
            Program(
                name="migrate",
                argv=[sys.executable, "-m", "common.migrate", *SERVICES],
                env=env,
                log=self.layout.log("migrate"),
                is_ready=lambda: False,
                cwd=PROJECT,
            )
        )


def demo_program(services: Services, log: Path, keys: Mapping[str, str]) -> Program:
    """The demo shop: a client of the public APIs, so it gets addresses and keys, and nothing else."""
    urls = {f"{service.upper()}_URL": services.url(service) for service in SERVICES}
    return Program(
        name="demo",
        argv=[sys.executable, "-m", "heed.demo"],
        env=base_env() | {"PYTHONUNBUFFERED": "1", "DEMO_STATE": str(services.layout.demo_state)} | urls | dict(keys),
        log=log,
        is_ready=lambda: True,
        cwd=PROJECT,
        restart_after_success=False,
    )


def answers(url: str) -> bool:
    """Say whether a GET of `url` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=4) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
