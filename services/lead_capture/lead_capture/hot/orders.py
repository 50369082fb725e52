"""`POST /v1/orders`: sales and returns of tills."""

from common import strictjson
from lead_capture.domain.captured import Captured, Intake
from lead_capture.domain.moment import event_time
from lead_capture.domain.order import captured_order
from lead_capture.hot.answers import Answer, accepted
from lead_capture.hot.call import Call
from lead_capture.hot.intake import Desk, checked, identified
from lead_capture.keyring import WriteKey
from lead_capture.schemas import Order


async def post_order(desk: Desk, call: Call, key: WriteKey, body: bytes) -> Answer:
    """202 with the fact's id, which is the same for the same order id of the same source."""
    order = checked(Order, strictjson.parse_object(body))
    # The models' own dictionaries: to dump them would copy all of it once more.
    fields = {**vars(order), "items": [vars(item) for item in order.items]}
    identifiers = identified(vars(order.customer), desk.settings.default_region, "/customer")

    def build(intake: Intake) -> Captured:
        time = event_time(order.time, intake.received)
        fields["channel"] = order.channel or "pos"
        return captured_order(fields, identifiers, order.customer.name, time, intake)

    async def work() -> Answer:
        captured = await desk.keep_one(call, key, build, desk.settings.order_limit_bytes)
        return accepted(captured.id)

    return await desk.once(call, key, body, work)
