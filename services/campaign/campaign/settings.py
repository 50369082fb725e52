"""What campaign reads from the environment."""

from pathlib import Path

from pydantic import AnyHttpUrl, EmailStr, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from campaign.smtp import Server
from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="CAMPAIGN_")

    port: int = 8003
    smtp_url: SecretStr = Field(
        default=SecretStr("smtp://127.0.0.1:2525"),
        validation_alias="SMTP_URL",
        description="smtp://user:password@host:port?starttls=true|false, or smtps://…",
    )
    public_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8003"), description="where recipients reach this service"
    )
    shop_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://shop.example/"), description="where links of messages lead"
    )
    sender_address: EmailStr = "hello@shop.example.com"
    sender_name: str = "The Shop"
    journeys_directory: Path = Path(__file__).parent / "journeys"
    wait_scale: float = Field(default=1.0, gt=0, description="factor on every wait of a journey; 0.001 for a demo")
    timer_seconds: float = Field(default=0.5, description="how often due waits are looked for")
    smtp_connections: int = Field(default=4, ge=1, le=50)
    sends_per_second: float = Field(default=20.0, gt=0)
    smtp_timeout_seconds: float = Field(default=30.0, gt=0, description="longest wait for an answer of the mail server")
    retry_seconds: float = Field(default=30.0, gt=0, description="pause after the first temporary refusal; doubles")

    @field_validator("smtp_url")
    @classmethod
    def _is_of_a_mail_server(cls, url: SecretStr) -> SecretStr:
        Server.parse(url.get_secret_value())
        return url
