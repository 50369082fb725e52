"""A whole small service: for each fact one row and one fact of its own. The tests run and kill it."""

import asyncio

from pydantic_settings import SettingsConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from common import topics
from common.application import Application
from common.envelope import Envelope
from common.outbox import emit
from common.settings import ServiceSettings
from common.testing.effects import HAPPENED, record_effect

COUNTED = "test.counted.v1"


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="COUNTING_")


def build(settings: Settings) -> Application:
    app = Application("counting", settings)

    async def count(session: AsyncSession, envelope: Envelope) -> None:
        await record_effect(session, envelope)
        counted = envelope.caused(COUNTED, "/counting", dict(envelope.data), time=envelope.time)
        await emit(session, settings.topic(topics.TRIGGERS), [counted])
        await asyncio.sleep(0.002)  # so that a kill finds it at work

    app.consume((topics.CUSTOMER_FACTS,), {HAPPENED: count})
    return app


if __name__ == "__main__":
    build(Settings.load()).run()
