"""Settings of `heed run`: ports, and what already runs elsewhere."""

from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationError

from heed.platform.errors import PlatformError

SERVICES = ("lead_capture", "contact", "campaign", "sales", "ticketing", "analytics", "console")

_SWITCH_OFF = frozenset({"0", "false", "no", "off"})


class RunSettings(BaseModel):
    """Each field's name in upper case is its environment variable; the last three collect those named by service."""

    console_port: int = Field(8080, ge=1, le=65535)
    lead_capture_port: int = Field(8001, ge=1, le=65535)
    contact_port: int = Field(8002, ge=1, le=65535)
    campaign_port: int = Field(8003, ge=1, le=65535)
    sales_port: int = Field(8004, ge=1, le=65535)
    ticketing_port: int = Field(8005, ge=1, le=65535)
    analytics_port: int = Field(8006, ge=1, le=65535)
    heed_kafka_port: int = Field(9092, ge=1, le=65535)
    heed_postgres_port: int = Field(54329, ge=1, le=65535)
    heed_smtp_port: int = Field(2525, ge=1, le=65535)
    heed_topic_prefix: str = Field("heed", pattern=r"^[a-zA-Z0-9._-]{1,100}$")
    kafka_bootstrap_servers: str | None = None
    smtp_url: str | None = None
    log_level: str = "INFO"
    otel_exporter_otlp_endpoint: str | None = None
    demo: bool = True
    database_urls: dict[str, str] = Field(default_factory=dict)
    urls: dict[str, str] = Field(default_factory=dict)
    passed_on: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "RunSettings":
        """Read the environment.

        Raises:
            PlatformError: a value is not usable, or only some of the databases are given.
        """
        values: dict[str, object] = {
            name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())
        }
        values["demo"] = environ.get("DEMO", "1").strip().lower() not in _SWITCH_OFF
        urls = {s: environ[f"{s.upper()}_DATABASE_URL"] for s in SERVICES if environ.get(f"{s.upper()}_DATABASE_URL")}
        if urls and len(urls) < len(SERVICES):
            missing = ", ".join(f"{s.upper()}_DATABASE_URL" for s in SERVICES if s not in urls)
            raise PlatformError(f"Some databases are given, others are not. Set these too: {missing}.")
        api_urls = {s: environ[f"{s.upper()}_URL"] for s in SERVICES if environ.get(f"{s.upper()}_URL")}
        passed_on = {k: v for k, v in environ.items() if k.startswith(tuple(f"{s.upper()}_" for s in SERVICES))}
        try:
            return cls.model_validate({**values, "database_urls": urls, "urls": api_urls, "passed_on": passed_on})
        except ValidationError as error:
            wrong = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            raise PlatformError(f"A setting is not usable. {wrong}.") from None

    def port(self, service: str) -> int:
        """The port of a service."""
        value: int = getattr(self, f"{service}_port")
        return value

    def own_ports(self) -> dict[str, tuple[str, int]]:
        """What will listen here: name → (setting, port)."""
        ports = {service: (f"{service.upper()}_PORT", self.port(service)) for service in SERVICES}
        if self.kafka_bootstrap_servers is None:
            ports["kafka"] = ("HEED_KAFKA_PORT", self.heed_kafka_port)
        if not self.database_urls:
            ports["postgres"] = ("HEED_POSTGRES_PORT", self.heed_postgres_port)
        if self.smtp_url is None:
            ports["smtp"] = ("HEED_SMTP_PORT", self.heed_smtp_port)
        return ports
