"""The life of an alert. Pure: moments come in as arguments."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sales.domain.refusal import NotAllowed


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
    """What the rules look at. Resolved with the outcome None means: cleared by itself.

    One that waits for room in its owner's day has not surfaced; it has no deadline until it does.
    """

    status: AlertStatus
    severity: Severity
    due_at: datetime | None
    overdue: bool = False
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    resolved_at: datetime | None = None
    outcome: Outcome | None = None
    note: str | None = None
    cleared_at: datetime | None = None
    surfaced_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for room in its owner's day."""
        return self.status is AlertStatus.OPEN and self.surfaced_at is None


def raise_alert(severity: Severity, now: datetime, *, admitted: bool = True) -> Alert:
    """An open alert with the deadline of its severity; not admitted, it waits."""
    waiting = Alert(AlertStatus.OPEN, severity, due_at=None)
    return surface(waiting, now) if admitted else waiting


def surface(alert: Alert, now: datetime) -> Alert:
    """Puts it before people, once; its deadline counts from here."""
    if alert.surfaced_at is not None:
        return alert
    return replace(alert, surfaced_at=now, due_at=now + SLA[alert.severity])


def withhold(alert: Alert) -> Alert:
    """Lets it wait after all, unless somebody has it in hand or it is late already."""
    if alert.status is not AlertStatus.OPEN or alert.overdue:
        return alert
    return replace(alert, surfaced_at=None, due_at=None)


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
    if alert.due_at is None or alert.overdue:
        return replace(alert, severity=severity)
    return replace(alert, severity=severity, due_at=min(alert.due_at, now + SLA[severity]))


def escalate(alert: Alert, now: datetime) -> Alert:
    """Flags what nobody has acknowledged by its deadline, once."""
    if alert.status is not AlertStatus.OPEN or alert.overdue or alert.due_at is None or alert.due_at > now:
        return alert
    return replace(alert, overdue=True)


def _refuse_resolved(alert: Alert) -> None:
    if alert.status is AlertStatus.RESOLVED:
        raise NotAllowed("the alert is resolved; reopen it first")
