"""Leads, from JSON or from an HTML form."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lead_capture.domain.captured import LEAD_CAPTURED, Captured, Intake, without_none

_YES = frozenset({"1", "on", "true", "yes", "y"})
_UTM = ("source", "medium", "campaign", "term", "content")


def from_form(fields: Mapping[str, str], known: frozenset[str]) -> dict[str, Any]:
    """The fields of an HTML form in the words of the JSON route; what a form has beside them is left out."""
    lead: dict[str, Any] = {name: value for name, value in fields.items() if name in known and name != "consent"}
    if "consent" in fields or "consent_text" in fields:
        lead["consent"] = {
            "given": fields.get("consent", "").strip().lower() in _YES,
            "text": fields.get("consent_text"),
            "channel": fields.get("consent_channel"),
        }
    return lead


def captured_lead(lead: Mapping[str, Any], identifiers: Mapping[str, str], id_: str, intake: Intake) -> Captured:
    """`lead` has the fields of the JSON route, checked."""
    consent = lead["consent"]
    if isinstance(consent, bool):
        consent = {"given": consent}
    utm = without_none({name: lead[f"utm_{name}"] for name in _UTM})
    data = without_none(
        {
            "identifiers": dict(identifiers),
            **{name: lead[name] for name in ("name", "company", "message")},
            "consent": without_none(consent) if consent else None,
            "utm": utm or None,
            **{name: lead[name] for name in ("page_url", "referrer", "form")},
            "source": intake.source,
        }
    )
    return Captured(LEAD_CAPTURED, id_, intake.received, data)


def origin_of(url: str) -> str | None:
    """`https://shop.example` of a web address; None where it is none, or could lead elsewhere than it seems."""
    if any(character in url for character in "\\\t\r\n ") or not url.isascii():
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return None
    return f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port else "")
