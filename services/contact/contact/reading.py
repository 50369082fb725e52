"""A fact of the bus as evidence about a person. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from common.envelope import Envelope
from common.failures import InvalidError
from contact import events
from contact.domain.person import MAX_TRAITS, STRENGTH, Fact, Identifier
from contact.trimming import shortened

CUSTOMER_KEY = re.compile(r"c_[a-z2-7]{26}")
MAX_IDENTIFIER = 255
_MAX_LINE = 200
_MAX_TRAIT = 1_000
ACTS_OF_CUSTOMERS = frozenset(
    {
        events.LEAD,
        events.TOUCHPOINT,
        events.ORDER,
        events.RETURN,
        "heed.ticket.opened.v1",
        "heed.message.opened.v1",
        "heed.message.clicked.v1",
    }
)
# Traits that say who somebody is or what they agreed to, not how they are.
_SPECIAL_TRAITS = frozenset(
    {"name", "firstName", "lastName", "first_name", "last_name", "email", "phone", "company"}
    | {"consent", "email_consent", "sms_consent", "unsubscribed"}
)


def about_customer(envelope: Envelope) -> bool:
    """Whether a fact belongs on somebody's timeline."""
    if envelope.type == events.SEPARATED and envelope.key not in map(envelope.data.get, ("surviving", "losing")):
        return False  # for those who follow a chain of merges; both people have a record of their own
    return envelope.type not in events.UNTOLD and CUSTOMER_KEY.fullmatch(envelope.key) is not None


def fact(envelope: Envelope) -> Fact:
    """Raises InvalidError or pydantic's ValidationError for a fact that cannot be kept.

    Our own facts come back as what they are keyed by alone: what they say was decided here.
    """
    if b"\\u0000" in orjson.dumps(envelope.data) and _has_nul(envelope.data):
        raise InvalidError("a text holds a NUL character")
    if envelope.source == events.SOURCE:
        return Fact(envelope.key, envelope.time)
    read = _READERS.get(envelope.type)
    return Fact(
        key=envelope.key,
        time=envelope.time,
        identifiers=_identifiers(envelope.data),
        seen=envelope.type in ACTS_OF_CUSTOMERS,
        **(read(envelope.data) if read else {}),
    )


def _identifiers(data: Mapping[str, Any]) -> tuple[Identifier, ...]:
    given = data.get("identifiers")
    if not isinstance(given, Mapping):
        return ()
    named = ((kind, given.get(kind)) for kind in STRENGTH)
    return tuple(
        Identifier.of(kind, value)
        for kind, value in named
        if isinstance(value, str) and value.strip() and len(value) <= MAX_IDENTIFIER
    )


def _lead(data: Mapping[str, Any]) -> dict[str, Any]:
    view = events.LeadCaptured.model_validate(data)
    consent = {view.consent.channel: view.consent.given} if view.consent else {}
    return {"name": _line(view.name), "company": _line(view.company), "consent": consent, "source": view.source}


def _order(data: Mapping[str, Any]) -> dict[str, Any]:
    name, source = data.get("name"), data.get("source")
    return {"name": _line(name), "source": _line(source)}


def _touchpoint(data: Mapping[str, Any]) -> dict[str, Any]:
    view = events.TouchpointCaptured.model_validate(data)
    said: dict[str, Any] = {"source": view.source}
    if view.kind == "identify":
        said |= _traits(view.traits)
    elif view.kind == "group":
        said["company"] = _line(view.traits.get("name"))
    elif view.kind == "alias" and view.previous_id and len(view.previous_id) <= MAX_IDENTIFIER:
        # An id alone does not say whether it named a browser or a user.
        previous = view.previous_id
        said["aliases"] = tuple(Identifier.of(kind, previous).key for kind in ("user_id", "anonymous_id"))
    return said


def _consent(data: Mapping[str, Any]) -> dict[str, Any]:
    view = events.ConsentChanged.model_validate(data)
    return {"consent": {view.channel: view.given}}


def _traits(traits: Mapping[str, Any]) -> dict[str, Any]:
    company = traits.get("company")
    company = company.get("name") if isinstance(company, Mapping) else company
    others = [(name, value) for name, value in traits.items() if name not in _SPECIAL_TRAITS]
    kept = {name: value for name, value in others[:MAX_TRAITS] if len(name) <= _MAX_LINE and _small(value)}
    return {"name": _full_name(traits), "company": _line(company), "consent": _agreed(traits), "traits": kept}


def _full_name(traits: Mapping[str, Any]) -> str | None:
    if name := _line(traits.get("name")):
        return name
    first = _line(traits.get("firstName")) or _line(traits.get("first_name"))
    last = _line(traits.get("lastName")) or _line(traits.get("last_name"))
    return " ".join(part for part in (first, last) if part) or None


def _agreed(traits: Mapping[str, Any]) -> dict[str, bool]:
    """`consent: {email: true}`, `consent: true`, `email_consent`, `sms_consent` and `unsubscribed`."""
    given = traits.get("consent")
    said = dict(given) if isinstance(given, Mapping) else {"email": given}
    said |= {channel: traits[f"{channel}_consent"] for channel in ("email", "sms") if f"{channel}_consent" in traits}
    if isinstance(traits.get("unsubscribed"), bool):
        said["email"] = not traits["unsubscribed"]
    return {channel: value for channel, value in said.items() if isinstance(value, bool) and len(channel) <= _MAX_LINE}


def _line(value: object) -> str | None:
    """One line of text, or None for anything else."""
    if not isinstance(value, str):
        return None
    return shortened(" ".join(value.split()), _MAX_LINE) or None


def _small(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_TRAIT
    return not isinstance(value, Mapping | list) or len(orjson.dumps(value)) <= _MAX_TRAIT


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_has_nul(item) for item in value)


_READERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    events.LEAD: _lead,
    events.ORDER: _order,
    events.RETURN: _order,
    events.TOUCHPOINT: _touchpoint,
    events.CONSENT_CHANGED: _consent,
}
