"""The rules of alerts, leads and routing. Pure: moments come in as arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class NotAllowed(Exception):
    """The state does not allow this; the text says why."""


class Severity(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class AlertStatus(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


class Outcome(StrEnum):
    """What came of an alert. A false alarm is a label that the models may learn from."""

    CONTACTED = "contacted"
    RECOVERED = "recovered"
    LOST = "lost"
    NO_ACTION = "no_action"
    FALSE_ALARM = "false_alarm"


SLA = {
    Severity.HIGH: timedelta(minutes=30),
    Severity.MEDIUM: timedelta(hours=4),
    Severity.LOW: timedelta(days=1),
}
LONGEST_SNOOZE = timedelta(days=90)


@dataclass(frozen=True)
class Alert:
    """What the rules look at. Resolved with the outcome None means: cleared by itself."""

    status: AlertStatus
    severity: Severity
    due_at: datetime
    overdue: bool = False
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    resolved_at: datetime | None = None
    outcome: Outcome | None = None
    note: str | None = None
    cleared_at: datetime | None = None


def raise_alert(severity: Severity, now: datetime) -> Alert:
    """An open alert with the deadline of its severity."""
    return Alert(AlertStatus.OPEN, severity, now + SLA[severity])


def acknowledge(alert: Alert, now: datetime) -> Alert:
    """Somebody takes care of it."""
    _refuse_resolved(alert)
    if alert.status is AlertStatus.ACKNOWLEDGED:
        return alert
    return replace(alert, status=AlertStatus.ACKNOWLEDGED, acknowledged_at=now, snoozed_until=None)


def snooze(alert: Alert, until: datetime, now: datetime) -> Alert:
    """Out of sight until a moment in the future, at most `LONGEST_SNOOZE` away."""
    _refuse_resolved(alert)
    if not now < until <= now + LONGEST_SNOOZE:
        raise NotAllowed(f"a snooze ends in the future, within {LONGEST_SNOOZE.days} days")
    return replace(alert, status=AlertStatus.SNOOZED, snoozed_until=until)


def wake(alert: Alert, now: datetime) -> Alert:
    """A snooze that has ended opens the alert again, with a deadline of its own."""
    if alert.status is not AlertStatus.SNOOZED or alert.snoozed_until is None or alert.snoozed_until > now:
        return alert
    due = now + SLA[alert.severity]
    return replace(alert, status=AlertStatus.OPEN, snoozed_until=None, acknowledged_at=None, due_at=due, overdue=False)


def resolve(alert: Alert, outcome: Outcome, note: str | None, now: datetime) -> Alert:
    """Done, with what came of it. What cleared by itself may still be given an outcome, once."""
    if alert.status is AlertStatus.RESOLVED:
        if alert.outcome is outcome:
            return alert
        if alert.outcome is not None:
            raise NotAllowed(f"the alert is resolved as {alert.outcome} already; reopen it first")
        return replace(alert, outcome=outcome, note=note)
    return replace(alert, status=AlertStatus.RESOLVED, resolved_at=now, outcome=outcome, note=note, snoozed_until=None)


def reopen(alert: Alert) -> Alert:
    """Undoes whatever was done to it; the deadline stays as it was."""
    return replace(
        alert,
        status=AlertStatus.OPEN,
        acknowledged_at=None,
        snoozed_until=None,
        resolved_at=None,
        outcome=None,
        note=None,
    )


def clear(alert: Alert, now: datetime) -> Alert:
    """Its cause went away: resolved, unless a person has taken it on (then it is theirs to end)."""
    if alert.cleared_at is not None:
        return alert
    cleared = replace(alert, cleared_at=now)
    if alert.status is AlertStatus.RESOLVED or alert.acknowledged_at is not None:
        return cleared
    return replace(cleared, status=AlertStatus.RESOLVED, resolved_at=now, snoozed_until=None)


def regrade(alert: Alert, severity: Severity, now: datetime) -> Alert:
    """A new severity; a graver one may bring the deadline forward, never back."""
    due = alert.due_at if alert.overdue else min(alert.due_at, now + SLA[severity])
    return replace(alert, severity=severity, due_at=due)


def escalate(alert: Alert, now: datetime) -> Alert:
    """Flags what nobody has acknowledged by its deadline, once."""
    if alert.status is not AlertStatus.OPEN or alert.overdue or alert.due_at > now:
        return alert
    return replace(alert, overdue=True)


def _refuse_resolved(alert: Alert) -> None:
    if alert.status is AlertStatus.RESOLVED:
        raise NotAllowed("the alert is resolved; reopen it first")


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
