"""What sales reads from the environment."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings
from sales.domain.budget import MOST_PLACES


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SALES_")

    port: int = 8004
    check_seconds: float = Field(default=1.0, description="how often snoozes and deadlines are looked at")
    respond_within: timedelta = Field(default=timedelta(hours=4), description="how soon a new lead is answered")
    alerts_per_day: int = Field(default=20, ge=0, le=MOST_PLACES, description="new alerts an owner is shown; 0: all")
