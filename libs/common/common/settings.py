"""Settings from the environment, the same names in every service."""

import socket
from typing import Self

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service reads. A service subclasses it with its own `env_prefix` (`SALES_`, …)."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    database_url: str = Field(description="PostgreSQL, postgresql+asyncpg://user:password@host:port/name")
    host: str = Field(default="127.0.0.1", description="address the HTTP server listens on")
    port: int = Field(default=0, description="port the HTTP server listens on")
    token_private_key: SecretStr | None = Field(
        default=None, description="Ed25519 private key, base64url, only where this service calls another"
    )
    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    topic_prefix: str = Field(default="heed", validation_alias="HEED_TOPIC_PREFIX")
    token_public_key: str = Field(
        default="", validation_alias="HEED_TOKEN_PUBLIC_KEY", description="Ed25519 public key, base64url"
    )
    instance: str = Field(
        default_factory=socket.gethostname,
        validation_alias="HEED_INSTANCE",
        description="name of this replica, the same after a restart (static group membership)",
    )
    log_level: str = Field(default="INFO", validation_alias="LOG_LEVEL")
    otlp_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    request_timeout_seconds: float = Field(default=15.0, description="longest an HTTP request may take")
    body_limit_bytes: int = Field(default=512 * 1024, description="largest HTTP body")

    def topic(self, name: str) -> str:
        """`customer-facts` → `heed.customer-facts`."""
        return f"{self.topic_prefix}.{name}"

    def group(self, service: str) -> str:
        """The consumer group of a service."""
        return f"{self.topic_prefix}.{service}"

    @classmethod
    def load(cls) -> Self:
        """From the environment; ends the process with the missing names when it cannot."""
        from pydantic import ValidationError

        try:
            return cls()
        except ValidationError as error:
            prefix = cls.model_config.get("env_prefix", "")
            names = ", ".join(f"{prefix}{e['loc'][0]}".upper() + f" ({e['msg']})" for e in error.errors())
            raise SystemExit(f"cannot start, check these settings: {names}") from None
