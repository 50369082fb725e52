"""What one customer's facts and timers teach and lead to. Pure: profile in, profile changed, words out."""

from zlib import crc32

from analytics import episodes
from analytics.customers import Changes, Customers
from analytics.events import EXAMPLE, Event, What, emission, stable_id
from analytics.operators import churn_risk, purchase_silence, spend_deviation, support_load
from analytics.operators.base import Finding, Kind, World
from analytics.profile import DAY, NEVER, Profile, money_of, note_order, note_return
from common.envelope import Envelope

_RANG_AT_MOST = 400  # timers of one customer before one event: far more than half a year of weeks


class Noticing:
    """The operators at work on one customer at a time; what they say goes to `changes`."""

    def __init__(self, world: World, customers: Customers) -> None:
        self._world, self._customers = world, customers
        self.changes = Changes()

    # -- facts ------------------------------------------------------------------------------------

    def learn(self, profile: Profile, event: Event) -> None:
        """One fact about a customer."""
        if event.what is What.ORDER:
            self._order(profile, event)
        elif event.what is What.RETURN:
            note_return(profile, event.time, event.amount, event.currency, churn_risk.RETURN_HALF_LIFE)
        elif event.what in (What.TOUCHPOINT, What.LEAD):
            profile.web.add(event.time, churn_risk.WEB_HALF_LIFE)
        elif event.what is What.TICKET_OPENED:
            self._ticket(profile, event)
        elif event.what is What.TICKET_STATUS and event.data.get("status") == "solved":
            support_load.learn_solved(profile)
        elif event.what is What.MESSAGE_OPENED:
            profile.opens.add(event.time, churn_risk.MAIL_HALF_LIFE)
        elif event.what is What.MESSAGE_CLICKED:
            profile.clicks.add(event.time, churn_risk.MAIL_HALF_LIFE)

    def _order(self, profile: Profile, event: Event) -> None:
        customer, population = event.customer, self._world.population
        gap = note_order(profile, event.time, event.amount, event.currency)
        if gap is not None and gap > 0:
            purchase_silence.learn_gap(profile, gap, population)
        self._spend(profile, event)
        why = "They ordered again."
        self._say(episodes.clear(profile, Kind.PURCHASE_SILENCE, event, customer, event.time, why))
        profile.silence_due = purchase_silence.due(profile, population)
        if profile.scoring_due == NEVER:
            profile.scoring_due = event.time + _phase(customer)
        if pending := self._customers.pending(customer):
            self._customers.keep(customer, churn_risk.mark_bought(pending))
        if Kind.CHURN_RISK in profile.episodes:
            self._judge(profile, event.time, event, bool(event.backfill))

    def _spend(self, profile: Profile, event: Event) -> None:
        money, population = money_of(profile, event.currency), self._world.population
        if money is None:
            return
        deviation = spend_deviation.assess(money, event.amount, population)
        lasting = spend_deviation.learn(money, event.amount, deviation, population)
        if deviation is not None and deviation.flagged and not lasting:
            finding = spend_deviation.explain(money, event.amount, deviation)
            self._raise(profile, finding, event, event.time, bool(event.backfill))
            profile.spend_due = event.time + spend_deviation.EPISODE_SECONDS
        elif deviation is not None:
            why = "Three orders in a row: this is the new usual." if lasting else "The next order was as usual."
            self._say(episodes.clear(profile, Kind.SPEND_DEVIATION, event, event.customer, event.time, why))
            profile.spend_due = NEVER

    def _ticket(self, profile: Profile, event: Event) -> None:
        population = self._world.population
        support_load.learn_ticket(profile, event.time, population)
        if support_load.alarmed(profile, population, event.time):
            finding = support_load.explain(profile, population, event.time)
            self._raise(profile, finding, event, event.time, bool(event.backfill), again=True)
            profile.support_due = support_load.calm_at(profile, event.time)

    # -- timers -----------------------------------------------------------------------------------

    def ring(self, profile: Profile, customer: str, until: float, cause: Event, *, hushed: bool = False) -> None:
        """Fires this customer's timers due by `until`, earliest first. `hushed` ones open episodes in silence."""
        for _ in range(_RANG_AT_MOST):
            due = profile.next_due()
            if due > until:
                return
            history = bool(cause.backfill) or due < profile.backfill_until or hushed
            self._fire(profile, customer, due, cause, history)
        profile.scoring_due = until + churn_risk.SCORE_EVERY

    def _fire(self, profile: Profile, customer: str, due: float, cause: Event, history: bool) -> None:
        if due == profile.silence_due:
            self._silent(profile, customer, due, cause, history)
        elif due == profile.scoring_due:
            self._weekly(profile, customer, due, cause, history)
        elif due == profile.support_due:
            profile.support_due = NEVER
            why = "Support is calm again."
            self._say(episodes.clear(profile, Kind.SUPPORT_LOAD, cause, customer, due, why))
        else:
            profile.spend_due = NEVER
            why = "No further order in 30 days."
            self._say(episodes.clear(profile, Kind.SPEND_DEVIATION, cause, customer, due, why))

    def _silent(self, profile: Profile, customer: str, due: float, cause: Event, history: bool) -> None:
        finding = purchase_silence.explain(profile, self._world.population, due)
        self._raise(profile, finding, cause, due, history, again=True, customer=customer)
        episode = profile.episodes[Kind.PURCHASE_SILENCE]
        again = purchase_silence.next_update(profile, due, episode.updates)
        profile.silence_due = NEVER if episode.silent else again

    def _weekly(self, profile: Profile, customer: str, due: float, cause: Event, history: bool) -> None:
        self._world.population.ticket_days += 7
        pending = self._complete_examples(customer, due, cause)
        if due - profile.last_order_at > churn_risk.STOP_AFTER:
            profile.scoring_due = due + churn_risk.SCORE_EVERY if pending else NEVER
            return
        profile.scoring_due = due + churn_risk.SCORE_EVERY
        x = churn_risk.features(profile, due)
        adopted = self._world.models.get(churn_risk.MODEL)
        risk = churn_risk.predict(adopted, x)
        self._customers.keep(customer, churn_risk.keep(pending, due, risk, adopted.version if adopted else 0, x))
        self._judge(profile, due, cause, history, customer=customer)

    def _complete_examples(self, customer: str, now: float, cause: Event) -> bytes:
        known, rest = churn_risk.take_known(self._customers.pending(customer), now)
        for example in known:
            id_ = stable_id("example", customer, example["as_of"])
            data = {"customer": customer, **example}
            self.changes.examples.append(emission(EXAMPLE, customer, data, cause, now, id_))
        if known:
            self._customers.keep(customer, rest)
        return rest

    def _judge(self, profile: Profile, now: float, cause: Event, history: bool, *, customer: str = "") -> None:
        """The churn risk at `now`: above the alarm it is raised, below the calm it is cleared."""
        customer, adopted = customer or cause.customer, self._world.models.get(churn_risk.MODEL)
        x = churn_risk.features(profile, now)
        risk = churn_risk.predict(adopted, x)
        if risk is None or adopted is None or not churn_risk.enough(profile):
            return
        profile.churn_at, profile.churn_risk, profile.churn_version = now, risk, adopted.version
        if risk >= churn_risk.ALARM:
            finding = churn_risk.explain(profile, adopted, x, risk, now)
            self._raise(profile, finding, cause, now, history, customer=customer)
        elif risk < churn_risk.CALM:
            why = f"The risk fell to {risk:.0%}."
            self._say(episodes.clear(profile, Kind.CHURN_RISK, cause, customer, now, why))

    def _raise(
        self,
        profile: Profile,
        finding: Finding,
        cause: Event,
        now: float,
        history: bool,
        *,
        again: bool = False,
        customer: str = "",
    ) -> None:
        customer = customer or cause.customer
        self._say(episodes.raise_or_update(profile, finding, cause, customer, now, history=history, again=again))

    def _say(self, envelope: Envelope | None) -> None:
        if envelope is not None:
            self.changes.triggers.append(envelope)


def _phase(customer: str) -> float:
    """Spreads the weekly scoring over the week; the same customer always has the same day and hour."""
    return DAY + crc32(customer.encode()) / 2**32 * churn_risk.SCORE_EVERY
