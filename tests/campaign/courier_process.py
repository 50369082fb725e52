"""A courier as a process of its own, to be killed: `python courier_process.py DATABASE_URL SMTP_URL`."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import campaign
from campaign.composer import Composer
from campaign.courier import Courier, Pace
from campaign.journeys import load
from campaign.mail import Sender
from campaign.service import Enrolments, Letterbox
from campaign.smtp import Server
from common.clock import SystemClock
from common.database import Database


async def main(database_url: str, smtp_url: str) -> None:
    plans = load(Path(campaign.__file__).parent / "journeys", shop_url="https://shop.example/", wait_scale=1)
    composer = Composer("http://public.example", "The Shop")
    enrolments = Enrolments(SystemClock(), plans, composer, "facts")
    letterbox = Letterbox(SystemClock(), enrolments, "facts", timedelta(seconds=1))
    sender = Sender("hello@shop.example", "The Shop")
    courier = Courier(Database(database_url), letterbox, composer, Server.parse(smtp_url), sender, Pace(1, 100, 60))
    await courier.run()


asyncio.run(main(*sys.argv[1:]))
