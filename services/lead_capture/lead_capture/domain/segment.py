"""Events of the Segment HTTP spec as touchpoints: who, what, when. Written flat, since batches hold thousands."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lead_capture.domain.captured import TOUCHPOINT_CAPTURED, Captured, Intake
from lead_capture.domain.identity import normalise
from lead_capture.domain.ids import fact_id
from lead_capture.domain.moment import event_time, parse_moment, skew_corrected

KINDS = frozenset({"identify", "track", "page", "screen", "group", "alias"})
ORDER_EVENTS = {"Order Completed": "order", "Order Refunded": "return"}
_UTM = {"source": "source", "medium": "medium", "name": "campaign", "term": "term", "content": "content"}
_MAX_NAME, _MAX_LINE = 255, 2_048

Object = Mapping[str, Any]


def kind_of(event: Object, route: str) -> str:
    """The route names it (`/v1/track`), or inside a batch the event does. Raises ValueError."""
    kind = route if route != "batch" else event.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"type must be one of {', '.join(sorted(KINDS))}")
    return kind


def order_type(event: Object) -> str | None:
    """order or return, when the event is one of a shop's orders."""
    name = event.get("event")
    return ORDER_EVENTS.get(name) if isinstance(name, str) else None


def touchpoint(event: Object, kind: str, intake: Intake, new_id: str) -> Captured:
    """`new_id` is used when the event has no messageId. Raises ValueError with a reason for the dead letter."""
    context = _object(event, "context")
    traits = _object(event, "traits") or (_object(context, "traits") if kind == "identify" else {})
    time, adjusted = moment_of(event, intake)
    data: dict[str, Any] = {"identifiers": identifiers_of(event, kind, intake.region), "kind": kind}
    name = _name(event, kind)
    if name:
        data["name"] = name
    data["properties"] = _object(event, "properties")
    data["traits"] = traits
    if kind == "alias":
        data["previous_id"] = _text(event, "previousId")
    elif kind == "group":
        data["group_id"] = _text(event, "groupId")
    _add_page(data, context)
    data["source"] = intake.source
    if adjusted:
        data["time_adjusted"] = True
    return Captured(TOUCHPOINT_CAPTURED, message_id(event, intake) or new_id, time, data)


def message_id(event: Object, intake: Intake) -> str | None:
    """The fact's id, when the event has a messageId. Raises ValueError."""
    given = event.get("messageId")
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > _MAX_NAME:
        raise ValueError(f"messageId must be a text of at most {_MAX_NAME} characters")
    return fact_id(intake.namespace, "message", given)


def identifiers_of(event: Object, kind: str, region: str) -> dict[str, str]:
    """Normalised. An e-mail or phone that is none stays a trait only. Raises ValueError when nobody is named."""
    found: dict[str, str] = {}
    for field, name in (("userId", "user_id"), ("anonymousId", "anonymous_id")):
        value = event.get(field)
        if value is not None and value != "":
            found[name] = normalise(name, value, region)
    # A group's traits describe the company, not the person.
    places = [event.get("context")] if kind == "group" else [event, event.get("context")]
    for place in places:
        traits = place.get("traits") if isinstance(place, dict) else None
        if traits and isinstance(traits, dict):
            _add_traits(found, traits, region)
    if not found:
        raise ValueError("nobody is named; give userId or anonymousId")
    return found


def moment_of(event: Object, intake: Intake) -> tuple[datetime, bool]:
    """When it happened by our clock, and whether the sender's time was unusable. Raises ValueError."""
    given = event.get("originalTimestamp") or event.get("timestamp")
    if given is None:
        return intake.received, False
    claimed = parse_moment(given)
    if not intake.history:
        try:
            claimed = skew_corrected(claimed, intake.sent or sent_at(event), intake.received)
        except OverflowError:
            raise ValueError("timestamp and sentAt are too far apart") from None
    return event_time(claimed, intake.received)


def sent_at(message: Object) -> datetime | None:
    """When the client sent this, by its clock; None where it does not say so in a way that can be used."""
    given = message.get("sentAt")
    if given is None:
        return None
    try:
        return parse_moment(given)
    except ValueError:
        return None


def _add_traits(found: dict[str, str], traits: Object, region: str) -> None:
    for kind in ("email", "phone", "loyalty_number"):
        value = traits.get(kind)
        if value and kind not in found:
            try:
                found[kind] = normalise(kind, value, region)
            except ValueError:
                continue


def _add_page(data: dict[str, Any], context: Object) -> None:
    page, campaign, agent = context.get("page"), context.get("campaign"), context.get("userAgent")
    properties = data["properties"]
    if not isinstance(page, dict):
        page = {}
    for name, field in (("page_url", "url"), ("referrer", "referrer")):
        value = page.get(field) or properties.get(field)
        if value and isinstance(value, str):
            data[name] = value[:_MAX_LINE]
    if agent and isinstance(agent, str):
        data["user_agent"] = agent[:_MAX_LINE]
    if isinstance(campaign, dict):
        utm = {to: v[:_MAX_NAME] for field, to in _UTM.items() if isinstance(v := campaign.get(field), str) and v}
        if utm:
            data["utm"] = utm


def _name(event: Object, kind: str) -> str | None:
    if kind == "track":
        return _text(event, "event")
    value = event.get("name")
    return value[:_MAX_NAME] if value and isinstance(value, str) else None


def _text(event: Object, field: str) -> str:
    value = event.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or len(value) > _MAX_NAME:
        raise ValueError(f"{field} must be a text of 1 to {_MAX_NAME} characters")
    return value


def _object(place: Object, field: str) -> Object:
    value = place.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{field} must be an object")
    return value
