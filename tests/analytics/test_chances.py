"""Lead conversion and campaign response: the labels that come true, what is learned, what is shown."""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest

from analytics.events import Event, What
from analytics.fold import Fold
from analytics.learners.chances import CampaignResponseLearner, ChanceLearner, LeadConversionLearner
from analytics.operators import campaign_response, lead_conversion
from analytics.operators.base import Adopted, Level, Operator
from analytics.operators.campaign_response import CampaignResponse, Mailing
from analytics.operators.chances import CONTENDERS
from analytics.operators.lead_conversion import Lead, LeadConversion
from analytics.orders import DAY
from tests.analytics.stories import START, hash_of, order, regular, ticks, visit
from tests.analytics.weeks import assert_as_much_is_known, good_and_bad_weeks, taught_in_pieces

Told = list[Mapping[str, Any]]
_SAID = dict.fromkeys(CONTENDERS, 0.5)


def lead(customer: str, day: float = 0.0, **data: object) -> Event:
    id_ = str(UUID(int=hash_of(customer, "lead", day)))
    at = START + day * DAY
    return Event(What.LEAD, id_, customer, at, at, data={"identifiers": {"email": "a@example.com"}, **data})


def message(what: What, customer: str, day: float) -> Event:
    id_ = str(UUID(int=hash_of(customer, what, day)))
    return Event(what, id_, customer, START + day * DAY, START + day * DAY, data={"message_id": "m", "journey": "j"})


def told(model: str, *events: Event, until: float = 60, models: Mapping[str, Adopted] | None = None) -> Told:
    """The examples of a model that come of these events and the time after them."""
    fold = Fold(0)
    fold.world.models.update(models or {})
    for event in sorted([*events, *ticks(START, START + until * DAY, 43_200.0)], key=lambda e: e.time):
        fold.apply(event)
    return [e.data for e in fold.take_changes().examples if e.data["model"] == model]


# Leads


@pytest.mark.parametrize(
    ("ordered", "labels"), [((), {0}), ((3,), {1}), ((27.9,), {1}), ((28.1,), {0}), ((5, 6, 40), {1})]
)
def test_a_lead_is_won_by_a_first_order_within_28_days(ordered: tuple[float, ...], labels: set[int]) -> None:
    examples = told(lead_conversion.MODEL, lead("c_a"), *(order("c_a", START + day * DAY) for day in ordered))
    assert {e["label"] for e in examples} == labels


def test_a_lead_teaches_from_its_moment_and_while_it_is_open() -> None:
    won = told(lead_conversion.MODEL, lead("c_a"), order("c_a", START + 10 * DAY))
    lost = told(lead_conversion.MODEL, lead("c_a"))
    assert won[0]["as_of"] == START
    assert all(e["as_of"] <= START + 10 * DAY for e in won)
    assert len(lost) == 5  # at once, and at four scoring moments
    assert all(e["as_of"] < START + 28 * DAY for e in lost)


def test_who_bought_before_is_no_lead() -> None:
    assert told(lead_conversion.MODEL, order("c_a", START - DAY), lead("c_a")) == []


def test_what_a_lead_said_and_did_is_in_its_features() -> None:
    said = lead("c_a", company="Engines", message="Call me", consent={"given": True}, utm={"source": "x"})
    first, later = told(lead_conversion.MODEL, said, visit("c_a", START + 0.1 * DAY))[:2]
    x = dict(zip(lead_conversion.FEATURES, first["x"], strict=True))
    assert (x["company"], x["phone"], x["message"], x["consent"], x["campaign"], x["age"]) == (1, 0, 1, 1, 1, 0)
    assert dict(zip(lead_conversion.FEATURES, later["x"], strict=True))["age"] > 0.5


def test_bad_leads_break_nothing() -> None:
    bad = lead("c_a", identifiers=None, consent="yes", utm=[], message=0)
    assert told(lead_conversion.MODEL, bad)[0]["x"][5:] == [0.0] * 5


# Messages


@pytest.mark.parametrize(
    ("what", "day", "label"),
    [
        (What.MESSAGE_OPENED, 1, 1),
        (What.MESSAGE_CLICKED, 13.9, 1),
        (What.ORDER, 7, 1),
        (What.MESSAGE_OPENED, 14.1, 0),
        (What.TOUCHPOINT, 1, 0),
    ],
)
def test_an_answer_within_14_days_counts(what: What, day: float, label: int) -> None:
    event = order("c_a", START + day * DAY) if what is What.ORDER else message(what, "c_a", day)
    sent = message(What.MESSAGE_SENT, "c_a", 0)
    [example] = told(campaign_response.MODEL, order("c_a", START - DAY), sent, event)
    assert (example["as_of"], example["label"]) == (START, label)


def test_one_order_answers_every_message_of_the_fortnight_and_none_before() -> None:
    sent = [message(What.MESSAGE_SENT, "c_a", day) for day in (0, 10, 20)]
    examples = told(campaign_response.MODEL, order("c_a", START - DAY), *sent, order("c_a", START + 21 * DAY))
    assert [e["label"] for e in examples] == [0, 1, 1]


def test_own_answers_are_learned_when_they_are_known() -> None:
    fold = Fold(0)
    story = [order("c_a", START - DAY), message(What.MESSAGE_SENT, "c_a", 0), message(What.MESSAGE_OPENED, "c_a", 1)]
    for event in sorted([*story, *ticks(START, START + 30 * DAY, 43_200.0)], key=lambda e: e.time):
        fold.apply(event)
    mailing = fold.profile("c_a").of(Mailing)  # type: ignore[union-attr]
    assert (mailing.judged, mailing.answered) == (1, 1)


# Learning and showing


def taught(learner: ChanceLearner, depends_on: str, seed: int = 1) -> ChanceLearner:
    """A world in which one feature decides, published every fifty examples."""
    r, model = random.Random(seed), learner.snapshot()
    for n in range(600):
        x = [r.random() for _ in learner.features]
        z = 6 * (x[learner.features.index(depends_on)] - 0.5)
        label = r.random() < 1 / (1 + math.exp(-z))
        learner.take({"as_of": START + n * 3_600, "label": int(label), "predicted": model.chances(x), "x": x})
        if n % 50 == 49:
            model = learner.snapshot()
    return learner


def test_in_how_many_batches_the_examples_of_a_week_come_matters_little() -> None:
    """A fair lifts every lead of its week: published every fifty examples it must not teach as many fairs."""
    r, features = random.Random(12), LeadConversionLearner.features

    def example(good: float) -> dict[str, object]:
        x = [r.random() for _ in features]
        label = r.random() < 1 / (1 + math.exp(1.0 - 2.0 * x[1] - good))
        return {"label": int(label), "predicted": _SAID, "x": x}

    examples = good_and_bad_weeks(1_000, 0.8, r, example)
    whole, pieces = (taught_in_pieces(LeadConversionLearner(), examples, every) for every in (1_000, 50))
    assert_as_much_is_known(pieces.steady, whole.steady)


def test_who_answers_at_once_is_learned_with_those_whose_silence_is_known_by_now() -> None:
    """A yes comes within a day, a no when the time is up: the latest week must not be taken for one of yeses alone."""
    learner, r = LeadConversionLearner(), random.Random(13)
    for n in range(8_000):
        label, at = r.random() < 0.3, START + n * 600.0
        as_of = at - (r.random() if label else 28.0) * DAY
        learner.take({"as_of": as_of, "label": int(label), "predicted": _SAID, "x": [0.0] * len(learner.features)})
    assert learner.snapshot().chances([0.0] * len(learner.features))[CONTENDERS[0]] == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(("new", "feature"), [(LeadConversionLearner, "visits"), (CampaignResponseLearner, "answers")])
def test_what_decides_is_found_and_named(new: Callable[[], ChanceLearner], feature: str) -> None:
    learner = taught(new(), feature)
    model, words = learner.snapshot(), dict.fromkeys(learner.features, "It")
    high, low = ([0.5] * len(learner.features) for _ in range(2))
    at = learner.features.index(feature)
    high[at], low[at] = 1.0, 0.0
    assert model.chance(high) > 0.75
    assert model.chance(low) < 0.25
    strongest = model.reasons(high, words)[0]
    assert (strongest.code, strongest.weight > 0) == (feature, True)
    assert learner.figures()["contenders"][CONTENDERS[0]]["auc"] > 0.75


@pytest.mark.parametrize(
    "example",
    [{}, {"as_of": 1.0, "label": 1, "x": [1.0], "predicted": {}}, {"as_of": 1.0, "label": 1, "x": [math.nan] * 10}],
)
def test_what_is_no_example_is_refused(example: dict[str, object]) -> None:
    learner = LeadConversionLearner()
    with pytest.raises((KeyError, TypeError, ValueError)):
        learner.take(example)
    assert learner.examples == 0


@pytest.mark.parametrize(
    ("operator", "new", "feature", "events"),
    [
        (LeadConversion(), LeadConversionLearner, "visits", [lead("c_a", 1)]),
        (CampaignResponse(), CampaignResponseLearner, "answers", [message(What.MESSAGE_SENT, "c_a", 1)]),
    ],
)
def test_a_chance_is_shown_with_its_evidence(
    operator: Operator, new: Callable[[], ChanceLearner], feature: str, events: list[Event]
) -> None:
    fold, learner = Fold(0), taught(new(), feature)
    for event in events:
        fold.apply(event)
    profile, now = fold.profile("c_a"), START + 2 * DAY
    assert profile is not None
    unknown = operator.standing(profile, fold.world, now)
    assert unknown is not None
    assert (unknown.value, unknown.enough, unknown.level) == (None, False, Level.UNKNOWN)
    fold.world.models[learner.name] = Adopted(learner.name, 7, learner.examples, learner.snapshot())
    known = operator.standing(profile, fold.world, now)
    assert known is not None
    assert known.value is not None
    assert 0 < known.value < 1
    assert (known.enough, known.model_version) == (True, 7)


def test_who_left_no_details_and_got_no_mail_has_no_such_standing() -> None:
    fold = Fold(0)
    for event in regular("c_a", 3, 9):
        fold.apply(event)
    profile = fold.profile("c_a")
    assert profile is not None
    assert LeadConversion().standing(profile, fold.world, START + 30 * DAY) is None
    assert CampaignResponse().standing(profile, fold.world, START + 30 * DAY) is None


def test_sections_merge() -> None:
    one, other = Lead(START + DAY, 1, 0b00001), Lead(START, 2, 0b00100)
    one.merge(other)
    assert one == Lead(START, 3, 0b00101)
    mailing = Mailing(2.0, START, 4, 1)
    mailing.merge(Mailing(1.0, START + 14 * DAY, 2, 2))
    assert mailing == Mailing(2.0, START + 14 * DAY, 6, 3)
