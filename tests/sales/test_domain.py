"""The rules of alerts, leads and routing."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sales import domain
from sales.domain import AlertStatus, Lead, LeadStatus, NotAllowed, Outcome, Severity

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_alert(severity: Severity = Severity.HIGH) -> domain.Alert:
    return domain.raise_alert(severity, NOW)


def due(alert: domain.Alert) -> datetime:
    assert alert.due_at is not None
    return alert.due_at


def test_graver_alerts_are_due_sooner() -> None:
    high, medium, low = (due(an_alert(severity)) for severity in Severity)
    assert NOW < high < medium < low


def test_what_waits_is_due_from_the_moment_it_surfaces() -> None:
    waiting = domain.raise_alert(Severity.HIGH, NOW, admitted=False)
    assert (waiting.waits, waiting.due_at) == (True, None)
    assert domain.escalate(waiting, NOW + 100 * HOUR) == waiting
    graver = domain.regrade(domain.raise_alert(Severity.LOW, NOW, admitted=False), Severity.HIGH, NOW)
    assert graver == waiting
    surfaced = domain.surface(waiting, NOW + HOUR)
    assert (surfaced.waits, surfaced.due_at) == (False, NOW + HOUR + domain.SLA[Severity.HIGH])
    assert domain.surface(surfaced, NOW + 2 * HOUR) == surfaced


def test_only_what_nobody_has_in_hand_and_is_not_late_may_wait_after_all() -> None:
    assert domain.withhold(an_alert()) == domain.raise_alert(Severity.HIGH, NOW, admitted=False)
    for kept in (domain.acknowledge(an_alert(), NOW), domain.escalate(an_alert(), NOW + HOUR)):
        assert domain.withhold(kept) == kept


def test_acknowledging_twice_changes_nothing() -> None:
    once = domain.acknowledge(an_alert(), NOW)
    assert domain.acknowledge(once, NOW + HOUR) == once


@pytest.mark.parametrize("until", [NOW, NOW - HOUR, NOW + domain.LONGEST_SNOOZE + HOUR])
def test_a_snooze_ends_in_the_near_future(until: datetime) -> None:
    with pytest.raises(NotAllowed):
        domain.snooze(an_alert(), until, NOW)


def test_a_snooze_that_ended_opens_the_alert_with_a_new_deadline() -> None:
    late = domain.escalate(an_alert(), NOW + HOUR)
    snoozed = domain.snooze(late, NOW + 2 * HOUR, NOW + HOUR)
    assert domain.wake(snoozed, NOW + HOUR) == snoozed
    woken = domain.wake(snoozed, NOW + 2 * HOUR)
    assert (woken.status, woken.overdue, woken.snoozed_until) == (AlertStatus.OPEN, False, None)
    assert woken.due_at == NOW + 2 * HOUR + domain.SLA[Severity.HIGH]


def test_what_nobody_took_on_resolves_itself_when_its_cause_goes() -> None:
    cleared = domain.clear(an_alert(), NOW)
    assert (cleared.status, cleared.outcome, cleared.cleared_at) == (AlertStatus.RESOLVED, None, NOW)


def test_what_somebody_took_on_stays_theirs() -> None:
    cleared = domain.clear(domain.acknowledge(an_alert(), NOW), NOW + HOUR)
    assert (cleared.status, cleared.cleared_at) == (AlertStatus.ACKNOWLEDGED, NOW + HOUR)


def test_what_cleared_by_itself_may_be_labelled_once() -> None:
    labelled = domain.resolve(domain.clear(an_alert(), NOW), Outcome.FALSE_ALARM, None, NOW)
    assert labelled.outcome is Outcome.FALSE_ALARM
    with pytest.raises(NotAllowed):
        domain.resolve(labelled, Outcome.CONTACTED, None, NOW)


def test_a_graver_alert_is_due_sooner_and_a_lighter_one_not_later() -> None:
    graver = domain.regrade(an_alert(Severity.LOW), Severity.HIGH, NOW + HOUR)
    assert graver.due_at == NOW + HOUR + domain.SLA[Severity.HIGH]
    lighter = domain.regrade(an_alert(Severity.HIGH), Severity.LOW, NOW)
    assert lighter.due_at == an_alert().due_at


class AlertLife(RuleBasedStateMachine):
    """Whatever people, triggers and time do, in any order, the alert keeps its invariants."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW

    @initialize(admitted=st.booleans())
    def begin(self, admitted: bool) -> None:
        self.alert = domain.raise_alert(Severity.HIGH, NOW, admitted=admitted)

    @rule()
    def surface(self) -> None:
        self.alert = domain.surface(self.alert, self.now)

    @rule()
    def withhold(self) -> None:
        self.alert = domain.withhold(self.alert)

    @rule(by=st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=2)))
    def time_passes(self, by: timedelta) -> None:
        self.now += by
        self.alert = domain.escalate(domain.wake(self.alert, self.now), self.now)
        assert self.alert.snoozed_until is None or self.alert.snoozed_until > self.now

    @rule()
    def acknowledge(self) -> None:
        self._try(lambda: domain.acknowledge(self._seen(), self.now), AlertStatus.ACKNOWLEDGED)

    @rule(hours=st.integers(1, 48))
    def snooze(self, hours: int) -> None:
        self._try(lambda: domain.snooze(self._seen(), self.now + hours * HOUR, self.now), AlertStatus.SNOOZED)

    @rule(outcome=st.sampled_from(Outcome))
    def resolve(self, outcome: Outcome) -> None:
        before = self._seen()
        try:
            self.alert = domain.resolve(before, outcome, None, self.now)
        except NotAllowed:
            assert before.outcome not in (None, outcome)
        else:
            assert self.alert.outcome is outcome

    @rule()
    def reopen(self) -> None:
        self.alert = domain.reopen(self._seen())
        assert self.alert.status is AlertStatus.OPEN
        assert not self.alert.waits

    @rule()
    def clear(self) -> None:
        taken_on = self.alert.acknowledged_at is not None
        known = self.alert.cleared_at is not None
        before = self.alert
        self.alert = domain.clear(before, self.now)
        if known or taken_on or before.status is AlertStatus.RESOLVED:
            assert self.alert.status is before.status
        else:
            assert self.alert.status is AlertStatus.RESOLVED

    @rule(severity=st.sampled_from(Severity))
    def regrade(self, severity: Severity) -> None:
        before = self.alert
        self.alert = domain.regrade(before, severity, self.now)
        assert (self.alert.status, self.alert.overdue) == (before.status, before.overdue)
        assert self.alert.due_at == before.due_at or due(self.alert) < due(before)

    @invariant()
    def status_and_moments_agree(self) -> None:
        alert = self.alert
        assert (alert.snoozed_until is not None) == (alert.status is AlertStatus.SNOOZED)
        assert (alert.resolved_at is not None) == (alert.status is AlertStatus.RESOLVED)
        assert alert.outcome is None or alert.status is AlertStatus.RESOLVED
        if alert.status is AlertStatus.ACKNOWLEDGED:
            assert alert.acknowledged_at is not None
        if alert.status is AlertStatus.OPEN:
            assert alert.acknowledged_at is None
        assert (alert.due_at is None) == (alert.surfaced_at is None)
        assert alert.surfaced_at or alert.status in (AlertStatus.OPEN, AlertStatus.RESOLVED)
        assert alert.surfaced_at or not alert.overdue

    def _seen(self) -> domain.Alert:
        return domain.surface(self.alert, self.now)

    def _try(self, act: Callable[[], domain.Alert], leads_to: AlertStatus) -> None:
        before = self.alert
        try:
            self.alert = act()
        except NotAllowed:
            assert before.status is AlertStatus.RESOLVED
            assert self.alert == before
        else:
            assert self.alert.status is leads_to


TestAlertLife = AlertLife.TestCase
TestAlertLife.settings = settings(max_examples=60, stateful_step_count=30)


class LeadLife(RuleBasedStateMachine):
    """A lead moves along its lifecycle only; the first response is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.lead = Lead(LeadStatus.NEW)

    @rule(to=st.sampled_from(LeadStatus), reason=st.none() | st.just("no budget"))
    def move(self, to: LeadStatus, reason: str | None) -> None:
        before = self.lead
        self.now += HOUR
        try:
            self.lead = domain.move_lead(before, to, reason, self.now)
        except NotAllowed:
            assert to is LeadStatus.NEW or reason is None or before.status not in domain.OPEN_LEADS
            return
        assert self.lead.status is to
        if before.responded_at:
            assert self.lead.responded_at == before.responded_at

    @invariant()
    def told_and_answered(self) -> None:
        assert (self.lead.status is LeadStatus.NEW) == (self.lead.responded_at is None)
        if self.lead.status is LeadStatus.DISQUALIFIED:
            assert self.lead.reason


TestLeadLife = LeadLife.TestCase
TestLeadLife.settings = settings(max_examples=40, stateful_step_count=20)


@given(st.sets(st.text(min_size=1), min_size=1, max_size=8), st.integers(0, 2**40), st.integers(1, 40))
def test_turns_are_fair(owners: set[str], first: int, turns: int) -> None:
    served: Counter[str | None] = Counter(dict.fromkeys(owners, 0))
    served.update(domain.owner_of_turn(list(owners), turn) for turn in range(first, first + turns))
    assert set(served) == owners
    assert max(served.values()) - min(served.values()) <= 1


def test_nobody_active_nobody_served() -> None:
    assert domain.owner_of_turn([], 7) is None
