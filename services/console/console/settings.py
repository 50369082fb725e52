"""What the console reads from the environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings

_SERVICE = Path(__file__).parents[1]


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="CONSOLE_")

    port: int = 8080
    lead_capture_url: str = Field(default="http://127.0.0.1:8001", validation_alias="LEAD_CAPTURE_URL")
    contact_url: str = Field(default="http://127.0.0.1:8002", validation_alias="CONTACT_URL")
    campaign_url: str = Field(default="http://127.0.0.1:8003", validation_alias="CAMPAIGN_URL")
    sales_url: str = Field(default="http://127.0.0.1:8004", validation_alias="SALES_URL")
    ticketing_url: str = Field(default="http://127.0.0.1:8005", validation_alias="TICKETING_URL")
    analytics_url: str = Field(default="http://127.0.0.1:8006", validation_alias="ANALYTICS_URL")
    upstream_timeout_seconds: float = Field(default=4.0, description="longest a page waits for one service")
    announce_seconds: float = Field(default=5.0, description="how often sales is told of owners it does not know")
    session_idle: timedelta = Field(default=timedelta(hours=12), description="a session unused this long has ended")
    session_lifetime: timedelta = Field(default=timedelta(days=7), description="longest a session lasts")
    assets: Path = Field(default=_SERVICE / "node_modules", description="where npm put the browser libraries")
