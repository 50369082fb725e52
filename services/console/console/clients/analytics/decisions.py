"""Decisions: every step of a trigger with what it rests on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from console.clients.analytics.customers import Measure, Reason
from console.clients.base import Answer


class LogPlace(Answer):
    """The record of customer facts that led to it; offset -1 outside a log."""

    partition: int
    offset: int


class Check(Answer):
    """The score computed once more from what was stored; `same` is None where nothing was scored."""

    score: float | None = None
    same: bool | None = None
    text: str = ""


class Decision(Answer):
    """`action` is raised, updated or cleared."""

    id: str
    trigger: str
    action: str
    kind: str
    customer: str
    time: datetime
    sentence: str
    score: float
    direction: str | None = None
    severity: str | None = None
    expected: Measure | None = None
    observed: Measure | None = None
    reasons: list[Reason] = Field(default_factory=list)
    features: Mapping[str, Any] = Field(default_factory=dict)
    event_ids: list[str] = Field(default_factory=list)
    model: str | None = None
    model_version: int | None = None
    log: LogPlace | None = None


class ExplainedDecision(Decision):
    check: Check = Field(default_factory=Check)


class DecisionPage(Answer):
    items: list[Decision]
    next: str | None = None
