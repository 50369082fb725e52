"""The life of a lead, and whose turn it is. Pure: moments come in as arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sales.domain.refusal import NotAllowed


class LeadStatus(StrEnum):
    NEW = "new"
    WORKING = "working"
    QUALIFIED = "qualified"
    DISQUALIFIED = "disqualified"


OPEN_LEADS = (LeadStatus.NEW, LeadStatus.WORKING)

_NEXT_LEAD: dict[LeadStatus, frozenset[LeadStatus]] = {
    LeadStatus.NEW: frozenset({LeadStatus.WORKING, LeadStatus.QUALIFIED, LeadStatus.DISQUALIFIED}),
    LeadStatus.WORKING: frozenset({LeadStatus.QUALIFIED, LeadStatus.DISQUALIFIED}),
    LeadStatus.QUALIFIED: frozenset({LeadStatus.WORKING}),
    LeadStatus.DISQUALIFIED: frozenset({LeadStatus.WORKING}),
}


@dataclass(frozen=True)
class Lead:
    """What the rules look at. `reason` says why a lead was disqualified."""

    status: LeadStatus
    responded_at: datetime | None = None
    reason: str | None = None


def move_lead(lead: Lead, to: LeadStatus, reason: str | None, now: datetime) -> Lead:
    """Changes the status; the first change is the response. Raises NotAllowed."""
    if to is lead.status:
        return lead
    if to not in _NEXT_LEAD[lead.status]:
        raise NotAllowed(f"a {lead.status} lead becomes {', '.join(sorted(_NEXT_LEAD[lead.status]))}, not {to}")
    if to is LeadStatus.DISQUALIFIED and not reason:
        raise NotAllowed("a lead is disqualified with a reason")
    return Lead(to, lead.responded_at or now, reason)


def owner_of_turn(active: Sequence[str], turn: int) -> str | None:
    """Round robin over the active owners' ids. Turns count up by one."""
    ranked = sorted(active)
    return ranked[turn % len(ranked)] if ranked else None
