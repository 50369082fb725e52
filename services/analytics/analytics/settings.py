"""What analytics reads from the environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="ANALYTICS_")

    port: int = 8006
    linger_seconds: float = Field(default=0.1, description="longest what is folded waits for its checkpoint to begin")
    publish_examples: int | None = Field(
        default=None, description="a new version of any model after this many examples; unset: each at its own pace"
    )
    dry_run_records: int = Field(default=3_000_000, description="most records of the log a dry run reads")
    dry_run_seconds: float = Field(default=20.0, description="longest a dry run takes")
    priming_records: int = Field(default=30_000_000, description="most records read for what was before a rule")
