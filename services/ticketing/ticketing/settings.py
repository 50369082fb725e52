"""What ticketing reads from the environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TICKETING_")

    port: int = 8005
    check_seconds: float = Field(default=1.0, description="how often deadlines are looked at")
    clean_seconds: float = Field(default=3600.0, description="how often old idempotency keys are dropped")
