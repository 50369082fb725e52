"""A merge that is undone, as the running service hears of it."""

from typing import Any

import asyncpg
from prometheus_client import REGISTRY

from analytics.events import What
from analytics.orders import DAY
from common.application import Application
from tests.analytics.conftest import Client, Eventually, Tell
from tests.analytics.merged_shop import by, identity, key, merged, orders, separated
from tests.analytics.stories import START, tick


def days(first: int, last: int) -> list[float]:
    return [START + n * DAY for n in range(first, last)]


async def test_both_customers_are_folded_again_from_the_log(
    app: Application, client: Client, tell: Tell, eventually: Eventually
) -> None:
    http = client("sales")

    async def counts() -> tuple[int, int]:
        found = []
        for who in ("live-ada", "live-bob"):
            answer = await http.get(f"/v1/customers/{key(who)}")
            found.append(int(answer.json()["orders"]) if answer.status_code == 200 else 0)
        return found[0], found[1]

    async def become(*expected: int) -> None:
        async def are() -> bool:
            return await counts() == expected

        await eventually(are)

    rebuilt = _rebuilt()
    await tell([*orders("live-ada", days(0, 5)), *orders("live-bob", days(0, 3)), tick(START + 6 * DAY)])
    await become(5, 3)
    await tell([merged("live-bob", "live-ada", START + 6 * DAY)])
    await become(8, 0)
    await tell([*orders("live-bob", days(7, 9)), *orders("live-bob", days(9, 13), under="live-ada")])
    await become(14, 0)

    await tell(separated("live-bob", "live-ada", START + 14 * DAY))
    await become(5, 9)
    await tell([*orders("live-bob", days(15, 17), under="live-ada"), *orders("live-bob", days(17, 18))])
    await become(5, 12)
    assert _rebuilt() - rebuilt == 3, "hers once; his for himself, and once more with what she gave back"


async def test_a_separation_of_people_nobody_heard_of_stops_nothing(
    tell: Tell, client: Client, eventually: Eventually
) -> None:
    await tell(separated("nobody", "no-one", START))
    broken = identity(What.CONTACT_SEPARATED, "broken", START, {"surviving": key("x"), "losing": key("broken")})
    await tell([broken, *(by("nobody", event) for event in orders("nobody", days(1, 3)))])

    async def known() -> bool:
        answer = await client("sales").get(f"/v1/customers/{key('nobody')}")
        return answer.status_code == 200 and answer.json()["orders"] == 2

    await eventually(known)


async def test_ids_of_what_was_passed_on_are_kept_once(
    app: Application, client: Client, tell: Tell, eventually: Eventually
) -> None:
    """A fact that was under way to the survivor, and is the other one's by now, does not count a second time."""
    late = orders("kept-bob", days(3, 5))
    await tell([*orders("kept-ada", days(0, 1)), merged("kept-bob", "kept-ada", START + 2 * DAY), *late])
    await tell([*separated("kept-bob", "kept-ada", START + 6 * DAY), *late])
    ids = [event.id for event in late]

    async def seen() -> list[Any]:
        connection = await asyncpg.connect(app.database.dsn)
        try:
            found = await connection.fetch("SELECT id FROM seen WHERE id = ANY($1::uuid[])", ids)
        finally:
            await connection.close()
        return list(found) if len(found) == len(ids) else []

    await eventually(seen)
    answer = await client("sales").get(f"/v1/customers/{key('kept-bob')}")
    assert answer.json()["orders"] == len(late)


def _rebuilt() -> float:
    return REGISTRY.get_sample_value("heed_analytics_rebuild_duration_seconds_count") or 0.0
