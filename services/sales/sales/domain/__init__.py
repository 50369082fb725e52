"""The rules of alerts, their budget, leads and routing. Pure: moments come in as arguments."""

from sales.domain.alerts import (
    LONGEST_SNOOZE,
    SLA,
    Alert,
    AlertStatus,
    Outcome,
    Severity,
    acknowledge,
    clear,
    escalate,
    raise_alert,
    regrade,
    reopen,
    resolve,
    snooze,
    surface,
    wake,
    withhold,
)
from sales.domain.leads import OPEN_LEADS, Lead, LeadStatus, move_lead, owner_of_turn
from sales.domain.refusal import NotAllowed

__all__ = [
    "LONGEST_SNOOZE",
    "OPEN_LEADS",
    "SLA",
    "Alert",
    "AlertStatus",
    "Lead",
    "LeadStatus",
    "NotAllowed",
    "Outcome",
    "Severity",
    "acknowledge",
    "clear",
    "escalate",
    "move_lead",
    "owner_of_turn",
    "raise_alert",
    "regrade",
    "reopen",
    "resolve",
    "snooze",
    "surface",
    "wake",
    "withhold",
]
