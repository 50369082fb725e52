"""What ticketing reads from the environment."""

from common.settings import ServiceSettings
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TICKETING_")

    port: int = 8005
    check_seconds: float = 1.0  # how often deadlines are looked at
