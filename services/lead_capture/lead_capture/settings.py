"""What can be set from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    """`LEAD_CAPTURE_…` in the environment."""

    model_config = SettingsConfigDict(env_prefix="LEAD_CAPTURE_", extra="ignore", populate_by_name=True)

    port: int = Field(default=8001, description="port the HTTP server listens on")
    default_region: str = Field(default="GB", description="country of phone numbers written without +")
    default_currency: str = Field(default="USD", description="currency of Segment orders that name none")
    send_timeout_seconds: float = Field(default=2.0, description="longest wait for the bus before a fact is spooled")
    spool_timeout_seconds: float = Field(default=5.0, description="longest wait for PostgreSQL before answering 503")
    tick_lag_seconds: float = Field(default=2.0, description="how far ticks stay behind the present")
    rate_limit_public: int = Field(default=5_000, ge=2_500, description="events a second for a public key")
    rate_limit_server: int = Field(default=50_000, ge=2_500, description="events a second for a server key")
    event_limit_bytes: int = Field(default=32 * 1024, description="largest event other than an order")
    order_limit_bytes: int = Field(default=512 * 1024, description="largest order")
    batch_limit_bytes: int = Field(default=500_000, description="largest batch")
    large_batch_limit_bytes: int = Field(default=1_000_000, description="largest batch that holds one large order")
    batch_limit_events: int = Field(default=2_500, description="most events in a batch")
