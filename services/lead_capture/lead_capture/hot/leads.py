"""`POST /v1/leads`: JSON, or an HTML form straight from a page."""

from urllib.parse import parse_qsl

from common import strictjson
from common.ids import new_id
from common.problems import Problem
from lead_capture import metrics
from lead_capture.domain import fact_id
from lead_capture.domain.captured import Captured, Intake
from lead_capture.domain.lead import captured_lead, from_form, origin_of
from lead_capture.hot.answers import Answer, accepted
from lead_capture.hot.call import Call
from lead_capture.hot.intake import Desk, checked, identified
from lead_capture.keyring import WriteKey
from lead_capture.schemas import Consent, Lead

_FORM = "application/x-www-form-urlencoded"
_FIELDS = frozenset(Lead.model_fields)
_MAX_FIELDS = 100


async def post_lead(desk: Desk, call: Call, key: WriteKey, body: bytes) -> Answer:
    """202 with the fact's id, or 303 for a form that asked for an allowed redirect."""
    is_form = call.content_type == _FORM
    lead = checked(Lead, from_form(_form_fields(body), _FIELDS) if is_form else strictjson.parse_object(body))

    async def work() -> Answer:
        id_ = _id_of(call, key)
        if lead.website:
            # A machine filled the field that people do not see: it learns nothing from the answer.
            metrics.HONEYPOT.labels(key.source).inc()
        else:
            consent = lead.consent.model_dump() if isinstance(lead.consent, Consent) else lead.consent
            fields = {**vars(lead), "consent": consent}
            identifiers = identified({kind: fields[kind] for kind in ("email", "phone")}, desk.settings.default_region)

            def build(intake: Intake) -> Captured:
                return captured_lead(fields, identifiers, id_, intake)

            await desk.keep_one(call, key, build, desk.settings.event_limit_bytes)
        return _answer(lead.redirect if is_form else None, key, id_)

    return await desk.once(call, key, body, work)


def _id_of(call: Call, key: WriteKey) -> str:
    """The same for a repeat under one `Idempotency-Key`, even when its first answer was lost."""
    name = call.header(b"idempotency-key")
    return fact_id(key.namespace, "request", name) if name else new_id()


def _answer(redirect: str | None, key: WriteKey, id_: str) -> Answer:
    ordinary = accepted(id_)
    if redirect and origin_of(redirect) in key.origins:
        return Answer(303, redirect, ordinary.body)
    return ordinary


def _form_fields(body: bytes) -> dict[str, str]:
    """The first value of each field. Raises Problem 400 or 422."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise Problem(400, f"The body is not a form: {error}.") from None
    if any("\x00" in text for pair in pairs for text in pair):
        raise Problem(422, "A text holds a NUL character.")
    return dict(reversed(pairs))
