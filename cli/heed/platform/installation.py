"""One installation's parts, made from where it lies, its settings and its secrets; starts nothing."""

from dataclasses import dataclass
from functools import cached_property

from heed.platform.kafka import Kafka
from heed.platform.layout import Layout
from heed.platform.postgres import Postgres
from heed.platform.secrets import Secrets
from heed.platform.services import Services
from heed.platform.settings import RunSettings
from heed.platform.smtp import SmtpSink


@dataclass(frozen=True)
class Installation:
    """Parts that the settings say run elsewhere (`KAFKA_BOOTSTRAP_SERVERS`, …) are not to be started."""

    layout: Layout
    settings: RunSettings

    @cached_property
    def secrets(self) -> Secrets:
        """Passwords and keys, made at the first use."""
        self.layout.create()
        return Secrets.load_or_create(self.layout.secrets)

    @cached_property
    def kafka(self) -> Kafka:
        """The broker of our own."""
        layout, port = self.layout, self.settings.heed_kafka_port
        return Kafka(layout.kafka_lib, layout.kafka_config, layout.kafka, layout.log("kafka"), port)

    @cached_property
    def postgres(self) -> Postgres:
        """The database server of our own."""
        port, password = self.settings.heed_postgres_port, self.secrets.postgres_password
        return Postgres(self.layout.postgres, self.layout.log("postgres"), port, password)

    @cached_property
    def smtp(self) -> SmtpSink:
        """The mail sink of our own."""
        return SmtpSink(self.layout.maildir, self.layout.log("smtp"), self.settings.heed_smtp_port)

    @cached_property
    def services(self) -> Services:
        """The services' processes and environments."""
        bootstrap = self.settings.kafka_bootstrap_servers or self.kafka.bootstrap
        smtp_url = self.settings.smtp_url or self.smtp.url
        return Services(self.layout, self.settings, self.secrets, bootstrap, smtp_url)
