"""The rules of a journey, alone: nobody gets a step twice, whatever comes in whatever order."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import campaign
from campaign.domain import (
    Branch,
    Concluded,
    Email,
    End,
    Enrolment,
    Event,
    Journey,
    MessageSettled,
    Move,
    Outcome,
    Responded,
    Signal,
    Status,
    TimerFired,
    TriggerCleared,
    Wait,
    advance,
    check,
    enrol,
    first_name,
    next_attempt,
    objection,
    retired,
)
from campaign.journeys import load

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
WIN_BACK = load(Path(campaign.__file__).parent / "journeys", shop_url="https://shop.example", wait_scale=1)[
    "win_back"
].journey
FINAL = [Status.SENT, Status.SUPPRESSED, Status.FAILED, Status.UNKNOWN]


def journey(*steps: Wait | Email | Branch | End) -> Journey:
    return Journey("test", "Test", True, frozenset({"churn_risk"}), timedelta(days=30), {s.id: s for s in steps})


def end(id_: str = "over") -> End:
    return End(id_, "Over", Outcome.NO_RESPONSE)


def at_first_mail() -> Enrolment:
    waiting = enrol(WIN_BACK, NOW).enrolment
    return advance(WIN_BACK, waiting, TimerFired(), NOW + timedelta(hours=1)).enrolment


def test_a_wait_lasts_as_long_as_it_says() -> None:
    waiting = enrol(WIN_BACK, NOW).enrolment
    assert waiting.due_at == NOW + timedelta(hours=1)
    assert advance(WIN_BACK, waiting, TimerFired(), NOW + timedelta(minutes=59)).enrolment == waiting
    assert advance(WIN_BACK, waiting, TimerFired(), NOW + timedelta(hours=1)).write == "hello"


def test_a_click_that_came_before_the_wait_passes_it() -> None:
    clicked = advance(WIN_BACK, at_first_mail(), Responded("hello", Signal.CLICK), NOW).enrolment
    move = advance(WIN_BACK, clicked, MessageSettled("hello", Status.SENT), NOW)
    assert move.enrolment.step == "consider"


def test_an_answer_to_an_older_message_does_not_count_for_the_newer() -> None:
    sent = advance(WIN_BACK, at_first_mail(), MessageSettled("hello", Status.SENT), NOW).enrolment
    reminded = advance(WIN_BACK, sent, TimerFired(), NOW + timedelta(days=8))
    assert reminded.write == "reminder"
    late = advance(WIN_BACK, reminded.enrolment, Responded("hello", Signal.CLICK), NOW).enrolment
    assert late.responses == frozenset()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(Status.SUPPRESSED, Outcome.SUPPRESSED), (Status.FAILED, Outcome.UNDELIVERABLE)],
)
def test_a_message_that_does_not_go_ends_the_journey(status: Status, outcome: Outcome) -> None:
    assert advance(WIN_BACK, at_first_mail(), MessageSettled("hello", status), NOW).enrolment.outcome is outcome


def test_whoever_is_in_a_journey_that_changed_is_withdrawn() -> None:
    changed = journey(Email("hello", "Hello", "settle"), Wait("settle", "Wait", timedelta(hours=1), "over"), end())
    moved = advance(changed, at_first_mail(), MessageSettled("hello", Status.SENT), NOW).enrolment
    assert moved.outcome is Outcome.WITHDRAWN  # `settle` lies behind
    gone = advance(retired("win_back"), enrol(WIN_BACK, NOW).enrolment, TimerFired(), NOW + timedelta(days=1))
    assert gone.enrolment.outcome is Outcome.WITHDRAWN
    settled = advance(retired("win_back"), at_first_mail(), MessageSettled("hello", Status.SENT), NOW)
    assert settled.enrolment.outcome is Outcome.WITHDRAWN


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (journey(), "needs steps"),
        (journey(Email("a", "A", "b")), "does not exist"),
        (journey(Email("a", "A", "b"), Wait("b", "B", timedelta(1), "a")), "back to itself"),
        (journey(Email("a", "A", "over"), end(), end("stray")), "nothing leads to stray"),
        (journey(Branch("a", "A", ((Signal.OPEN, "x"),), "over"), end()), "does not exist"),
    ],
)
def test_journeys_that_cannot_be(broken: Journey, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(broken)


def test_consent_decides_and_silence_is_a_yes_of_customers_only() -> None:
    fine = {"email": "a@example.com", "consent": True, "has_ordered": False, "suppressed": False}
    assert objection(**fine) is None  # type: ignore[arg-type]
    assert objection(**fine | {"consent": None, "has_ordered": True}) is None  # type: ignore[arg-type]
    for change in ({"consent": None}, {"consent": False, "has_ordered": True}, {"email": None}, {"suppressed": True}):
        assert objection(**fine | change)  # type: ignore[arg-type]


def test_pauses_double_up_to_an_hour_and_end() -> None:
    base = timedelta(seconds=30)
    pauses = [at - NOW for n in range(1, 13) if (at := next_attempt(n, base, NOW))]
    assert pauses[:3] == [base, 2 * base, 4 * base]
    assert pauses[-1] == timedelta(hours=1)
    assert len(pauses) == 11


def test_first_names() -> None:
    assert [first_name(name) for name in ("Ada Byron", " Ada ", "", None)] == ["Ada", "Ada", None, None]


class JourneyMachine(RuleBasedStateMachine):
    """Throws every event at an enrolment, in any order, repeated, late, and after the process was killed.

    A kill is a step back to the last committed state: the event's effect is lost together with its writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.written: list[str] = []
        self.ends = 0
        self.enrolment = Enrolment()

    def commit(self, move: Move) -> None:
        if move.write:
            self.written.append(move.write)
        if move.enrolment.outcome and not self.enrolment.outcome:
            self.ends += 1
        self.enrolment = move.enrolment

    def take(self, event: Event) -> None:
        self.commit(advance(WIN_BACK, self.enrolment, event, self.now))

    @initialize()
    def start(self) -> None:
        self.commit(enrol(WIN_BACK, self.now))

    @rule(hours=st.integers(0, 400))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.take(TimerFired())

    @rule(status=st.sampled_from(FINAL), step=st.sampled_from(["hello", "offer", "reminder"]))
    def message_settled(self, status: Status, step: str) -> None:
        if step in self.written:
            self.take(MessageSettled(step, status))

    @rule(signal=st.sampled_from(Signal), step=st.sampled_from(["hello", "offer", "reminder"]))
    def responded(self, signal: Signal, step: str) -> None:
        if step in self.written:
            self.take(Responded(step, signal))

    @rule(outcome=st.sampled_from([Outcome.WON_BACK, Outcome.UNSUBSCRIBED, Outcome.MERGED]), really=st.integers(0, 9))
    def concluded(self, outcome: Outcome, really: int) -> None:
        if really == 0:  # seldom, so that most journeys go on
            self.take(Concluded(outcome))

    @rule()
    def cleared(self) -> None:
        before = self.enrolment
        self.take(TriggerCleared())
        assert not before.mailed or self.enrolment == before

    @rule(event=st.sampled_from([TimerFired(), TriggerCleared(), MessageSettled("hello", Status.SENT)]))
    def killed_before_the_commit(self, event: Event) -> None:
        lost = advance(WIN_BACK, self.enrolment, event, self.now)
        again = advance(WIN_BACK, self.enrolment, event, self.now)
        assert lost == again
        self.commit(again)

    @invariant()
    def nothing_twice(self) -> None:
        assert len(set(self.written)) == len(self.written)
        assert len(set(self.enrolment.visited)) == len(self.enrolment.visited)
        assert set(self.written) <= set(self.enrolment.visited)
        assert self.ends == (1 if self.enrolment.outcome else 0)

    @invariant()
    def waits_or_mails_or_has_ended(self) -> None:
        state = self.enrolment
        if not state.visited:
            return
        waiting, ended = state.due_at is not None, state.outcome is not None
        mailing = not ended and state.step == state.mail_step
        assert [waiting, mailing, ended].count(True) == 1
        assert state.outcome is not Outcome.WITHDRAWN
        assert not ended or advance(WIN_BACK, state, TimerFired(), self.now) == Move(state)


TestJourneyMachine = JourneyMachine.TestCase
TestJourneyMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
