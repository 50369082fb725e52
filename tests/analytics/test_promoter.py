"""Promoter: which touchpoints are answers, what they teach, that known odds are learned, what is shown."""

import math
import random
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from uuid import UUID

import pytest

from analytics.customers import CompletedExample
from analytics.events import Event, What
from analytics.fold import Fold
from analytics.learners.chances import PromoterLearner
from analytics.learners.contest import Progress
from analytics.merging import merge_into
from analytics.operators.base import Adopted, Level, Standing
from analytics.operators.chances import CONTENDERS
from analytics.operators.churn_risk import ChurnRisk
from analytics.operators.promoter import FEATURES, MODEL, SURVEY_ANSWERED, Answers, Promoter, score_of
from analytics.orders import DAY
from analytics.profile import Profile, pack, unpack
from tests.analytics.conftest import Client, Eventually, Tell
from tests.analytics.stories import START, hash_of, order, regular, ticket, visit

ACCOUNT, BROWSER = {"user_id": "u1"}, {"anonymous_id": "b1"}
MINUTE = 60.0


def answer(customer: str, at: float, score: object, *, n: int = 0, **more: Any) -> Event:
    """A survey answer as capture puts it on the log, `at` in seconds since START."""
    properties = {"score": score, "survey": "after delivery"}
    data = {"identifiers": ACCOUNT, "kind": "track", "name": SURVEY_ANSWERED, "properties": properties, **more}
    id_ = str(UUID(int=hash_of(customer, "answer", at, n)))
    return Event(What.TOUCHPOINT, id_, customer, START + at, START + at, data=data)


def sent_back(customer: str, at: float) -> Event:
    return Event(What.RETURN, str(UUID(int=hash_of(customer, "return", at))), customer, at, at, 0.0, 100_000, "GBP")


def folded(*events: Event) -> tuple[Fold, list[CompletedExample]]:
    """A fold after these events, and the examples of this model that came of them."""
    fold = Fold(0)
    for event in events:
        fold.apply(event)
    return fold, [e for e in fold.take_changes().examples if e.data["model"] == MODEL]


def answers_of(fold: Fold, customer: str = "c_a") -> Answers | None:
    profile = fold.profile(customer)
    return profile.get(Answers) if profile else None


def named(x: list[float]) -> Mapping[str, float]:
    return dict(zip(FEATURES, x, strict=True))


# What is an answer


@pytest.mark.parametrize(
    ("score", "known"),
    [(0, 0.0), (10, 10.0), (9.0, 9.0), (8.5, 8.5), ("9", 9.0), (" 10 ", 10.0), ("7.0", 7.0)],
)
def test_a_score_is_a_number_from_0_to_10_or_a_text_of_one(score: object, known: float) -> None:
    assert score_of(answer("c_a", 0, score).data) == known


@pytest.mark.parametrize(
    "score",
    [
        -1,
        11,
        10.01,
        "11",
        "-1",
        "x",
        "",
        "nan",
        "inf",
        "1e1",
        "1_0",
        "9/10",
        "\u0669",
        math.nan,
        math.inf,
        10**400,
        "9" * 5_000,
        True,
        False,
        None,
        [9],
        {"value": 9},
    ],
)
def test_anything_else_is_no_answer_and_counts_nowhere(score: object) -> None:
    fold, examples = folded(answer("c_a", 0, score))
    assert (examples, answers_of(fold)) == ([], None)


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "page"},
        {"name": "Survey Shown"},
        {"name": None},
        {"properties": None},
        {"properties": [9]},
        {"properties": {}},
        {"properties": {"Score": 9}},
    ],
)
def test_other_touchpoints_are_no_answers(more: dict[str, Any]) -> None:
    fold, examples = folded(answer("c_a", 0, 9, **more))
    assert (examples, answers_of(fold)) == ([], None)


def test_promoters_say_9_or_10_and_detractors_0_to_6() -> None:
    fold, examples = folded(*(answer("c_a", score * DAY, score) for score in range(11)))
    assert [e.data["label"] for e in examples] == [0] * 9 + [1, 1]
    assert answers_of(fold) == Answers(int(START + 10 * DAY), 100, 550, 11, 2, 7)


def test_a_browser_counts_once_an_order_or_details_were_left_there() -> None:
    fold, examples = folded(answer("c_a", 0, 9, identifiers=BROWSER))
    assert (examples, answers_of(fold)) == ([], None)
    lead = Event(What.LEAD, str(UUID(int=1)), "c_b", START, START, data={"identifiers": {"email": "b@example.com"}})
    for known in (order("c_b", START), lead):
        assert len(folded(known, answer("c_b", DAY, 9, identifiers=BROWSER))[1]) == 1


def test_what_is_posted_twice_teaches_once() -> None:
    fold, examples = folded(answer("c_a", 0, 9), answer("c_a", 1, 9, n=1))
    assert (len(examples), answers_of(fold)) == (1, Answers(int(START), 90, 90, 1, 1, 0))


@pytest.mark.parametrize(("days", "teach"), [(0.1, 1), (0.9, 1), (1.0, 2), (90.0, 2)])
def test_an_answer_within_a_day_of_another_counts_and_does_not_teach(days: float, teach: int) -> None:
    fold, examples = folded(answer("c_a", 0, 9), answer("c_a", days * DAY, 3))
    assert (len(examples), answers_of(fold)) == (teach, Answers(int(START + days * DAY), 30, 120, 2, 1, 1))


def test_robots_answer_nothing() -> None:
    assert folded(answer("c_a", 0, 9, user_agent="Googlebot/2.1"))[1] == []


def test_a_late_answer_counts_and_is_not_the_latest() -> None:
    fold, _ = folded(answer("c_a", 9 * DAY, 10), answer("c_a", 2 * DAY, 3))
    assert answers_of(fold) == Answers(int(START + 9 * DAY), 100, 130, 2, 1, 1)


# What it teaches


def test_an_answer_teaches_with_what_was_known_before_it() -> None:
    story = [*regular("c_a", 4, 7), ticket("c_a", START + 27 * DAY), sent_back("c_a", START + 27.5 * DAY)]
    _, (first, second) = folded(*story, answer("c_a", 28 * DAY, 2), answer("c_a", 60 * DAY, 10))
    x = named(first.data["x"])
    assert (first.data["as_of"], first.data["label"], second.data["label"]) == (START + 28 * DAY, 0, 1)
    assert (x["score"], x["answers"], x["orders"]) == (0.0, 0.0, math.log1p(4))
    assert min(x["lately"], x["tickets"], x["returns"]) > 0.5
    later = named(second.data["x"])
    assert (later["score"], later["answers"]) == (-3.0, math.log1p(1))  # halfway from the usual 8 to 2
    assert set(first.data["predicted"]) == set(CONTENDERS)


def test_the_visit_an_answer_opens_is_not_among_its_features() -> None:
    _, (by_mail,) = folded(order("c_a", START), answer("c_a", DAY, 9))
    _, (on_site,) = folded(order("c_a", START), visit("c_a", START + DAY - MINUTE), answer("c_a", DAY, 9))
    assert named(by_mail.data["x"])["visits"] == 0.0
    assert named(on_site.data["x"])["visits"] == pytest.approx(math.log(2), abs=1e-3)


def test_the_version_in_use_says_first_what_it_expects() -> None:
    fold, learner = Fold(0), PromoterLearner()
    for n in range(200):
        x = [float(n % 2), *[0.0] * (len(FEATURES) - 1)]
        learner.take({"as_of": START + n, "label": n % 2, "predicted": dict.fromkeys(CONTENDERS, 0.5), "x": x})
    fold.world.models[MODEL] = Adopted(MODEL, 3, learner.examples, learner.snapshot())
    fold.apply(answer("c_a", 0, 10))
    [example] = fold.take_changes().examples
    assert example.data["predicted"] == learner.snapshot().chances(example.data["x"])


# A made-up shop whose promoters follow known odds


def odds(liking: float, orders: int, tickets: int, returns: int) -> float:
    """Log-odds of a promoter: a liking nobody sees, orders so far, tickets of four weeks and returns of two months."""
    return -1.5 + liking + math.log1p(orders) - 1.5 * tickets - 1.0 * returns


def answered(chance: float, u: float) -> int:
    """A score whose parts of the scale are an ordered logit (McCullagh 1980): 9 or 10 by this chance, `u` in 0 … 1."""
    latent = math.log(chance / (1 - chance)) - math.log(1 / max(u, 1e-9) - 1)
    return min(10, 9 + int(latent)) if latent > 0 else max(0, 9 + math.floor(latent / 0.6))


def surveyed(customer: str, r: random.Random, spread: float) -> Iterator[tuple[Event, float]]:
    """Two years of a customer, who is asked each quarter and answers one time in two; with each answer its chance."""
    liking, gap, at = r.gauss(0, spread), r.uniform(10, 60), START + r.random() * 90 * DAY
    orders, tickets, returns, asked = 0, list[float](), list[float](), at + 20 * DAY
    while at < START + 730 * DAY:
        yield order(customer, at, r.uniform(20, 60)), math.nan
        orders += 1
        if r.random() < 0.3:
            tickets.append(at + 2 * DAY)
            yield ticket(customer, tickets[-1]), math.nan
        if r.random() < 0.3:
            returns.append(at + 3 * DAY)
            yield sent_back(customer, returns[-1]), math.nan
        at += max(5.0, r.expovariate(1 / gap)) * DAY
        while asked < at:
            recent = (
                sum(asked - 28 * DAY < t < asked for t in tickets),
                sum(asked - 60 * DAY < t < asked for t in returns),
            )
            chance = 1 / (1 + math.exp(-odds(liking, orders, *recent)))
            if r.random() < 0.5:
                yield answer(customer, asked - START, answered(chance, r.random())), chance
            asked += 90 * DAY


def shop(customers: int, spread: float = 1.0, seed: int = 7) -> list[tuple[Event, float]]:
    """Everybody's story in order of time; `spread` of the liking, in log-odds."""
    r = random.Random(seed)
    told = [said for n in range(customers) for said in surveyed(f"c_{n}", r, spread)]
    return sorted(told, key=lambda said: said[0].time)


def learned(told: list[tuple[Event, float]]) -> tuple[PromoterLearner, list[tuple[bool, float]]]:
    """The learner after a shop's story, versions adopted as it publishes them; of each answer whether it was a
    promoter's, and its chance by the odds.
    """
    fold, learner, truth = Fold(0, operators=(ChurnRisk(), Promoter())), PromoterLearner(), list[tuple[bool, float]]()
    for event, chance in told:
        fold.apply(event)
        for example in (e.data for e in fold.take_said().examples if e.data["model"] == MODEL):
            truth.append((bool(example["label"]), chance))
            learner.take(example)
            if learner.examples % learner.publish_every == 0:
                version = learner.examples // learner.publish_every
                fold.adopt(event, Adopted(MODEL, version, learner.examples, learner.snapshot()))
    return learner, truth


def figures_by(truth: list[tuple[bool, float]]) -> dict[str, Any]:
    """What somebody would reach who knows the odds, each liking too."""
    progress = Progress()
    for label, chance in truth:
        progress.take(label, chance, 1.0)
    return progress.figures()


@pytest.mark.parametrize(("spread", "behind"), [(0.0, 0.05), (1.0, 0.1)])
def test_known_odds_are_learned(spread: float, behind: float) -> None:
    learner, truth = learned(shop(600, spread))
    figures, known = learner.figures(), figures_by(truth)
    off = sum(abs(b["predicted"] - b["observed"]) * b["count"] for b in figures["calibration"]) / len(truth)
    assert figures["auc"] > known["auc"] - behind
    assert off < 0.06  # some 0.02 of it are the answers' own scatter
    weights = dict(zip(FEATURES, learner.snapshot().contenders[CONTENDERS[0]].weights, strict=True))
    assert weights["orders"] > 0.5
    assert max(weights["tickets"], weights["returns"]) < -1.0
    assert weights["score"] > 0.2 if spread else abs(weights["score"]) < 0.1


# Shown


def standing(fold: Fold, customer: str = "c_a") -> Standing | None:
    profile = fold.profile(customer)
    assert profile is not None
    return Promoter().standing(profile, fold.world, START + 800 * DAY)


def test_not_enough_evidence_is_an_answer() -> None:
    fold, _ = folded(*regular("c_a", 3, 9), *regular("c_b", 3, 9), answer("c_a", 30 * DAY, 9))
    unknown = standing(fold)
    assert unknown is not None
    assert (unknown.value, unknown.enough, unknown.level) == (None, False, Level.UNKNOWN)
    assert unknown.evidence == "0 learned answers; 100 are needed"
    fold.world.models[MODEL] = Adopted(MODEL, 1, 12, PromoterLearner().snapshot())
    unknown = standing(fold)
    assert unknown is not None
    assert (unknown.value, unknown.evidence) == (None, "12 learned answers; 100 are needed")
    assert standing(fold, "c_b") is None


def test_a_chance_is_shown_for_those_who_never_answered_too() -> None:
    learner, _ = learned(shop(60))
    fold, _ = folded(*regular("c_a", 9, 9), *regular("c_b", 9, 9), visit("c_c", START), answer("c_a", 90 * DAY, 10))
    fold.world.models[MODEL] = Adopted(MODEL, 7, 214, learner.snapshot())
    asked, never = standing(fold), standing(fold, "c_b")
    assert asked is not None
    assert never is not None
    assert asked.value is not None
    assert never.value is not None
    assert 0 < never.value < asked.value < 1
    assert (never.enough, never.model_version, bool(never.reasons)) == (True, 7, True)
    assert never.evidence == "No answer yet; 214 learned answers, of those only who chose to answer"
    assert asked.evidence.startswith("1 answer: 10; 214")
    assert standing(fold, "c_c") is None  # a browser


# The section


def test_answers_of_two_who_are_one_add_up() -> None:
    one, other = Answers(1_000, 30, 120, 2, 1, 1), Answers(2_000, 100, 100, 1, 1, 0)
    kept, lost = Profile(), Profile()
    kept.of(Answers).merge(one)
    lost.of(Answers).merge(other)
    merge_into(kept, lost)
    both = Answers(2_000, 100, 220, 3, 2, 1)
    assert kept.get(Answers) == both
    other.merge(one)
    assert other == both


@pytest.mark.parametrize("at", [-1.0, 0.0, 1e12])
def test_any_number_of_answers_at_any_time_is_stored(at: float) -> None:
    answers = Answers()
    for score in [10.0] * 300 + [0.0]:
        answers.note(score, at)
    assert (answers.last, answers.total, answers.count, answers.promoters) == (0, 25_500, 255, 255)
    assert Answers.unpack(answers.pack()) == answers


def test_packing_loses_nothing_and_only_those_who_answered_pay() -> None:
    fold, _ = folded(*regular("c_a", 3, 9), answer("c_a", 30 * DAY, 8.7), *regular("c_b", 3, 9), visit("c_b", START))
    profile, other = fold.profile("c_a"), fold.profile("c_b")
    assert profile is not None
    assert other is not None
    again = unpack(pack(profile))
    assert pack(again) == pack(profile)
    assert again.get(Answers) == Answers(int(START + 30 * DAY), 87, 87, 1, 0, 0)
    assert unpack(pack(other)).get(Answers) is None


# Over the log


async def test_answers_on_the_log_become_a_chance_on_the_page(
    client: Client, tell: Tell, eventually: Eventually
) -> None:
    story = [(order(f"c_{n}", START), answer(f"c_{n}", DAY, n % 11)) for n in range(110)]
    again = answer("c_0", DAY, 0)
    await tell([*regular("c_quiet", 9, 9), *chain(*story), again, answer("c_0", 9 * DAY, "3.3")])

    async def scored(customer: str, known: str) -> Any:
        shown = (await client("sales").get(f"/v1/customers/{customer}")).json()
        scores = (score for score in shown.get("scores", []) if score["kind"] == MODEL and score["value"] is not None)
        return next((score for score in scores if known in score["evidence"]["text"]), None)

    twice = await eventually(lambda: scored("c_0", "the last: 3.3;"))
    assert twice["evidence"]["text"].startswith("2 answers, ")  # the same fact again counted once
    quiet = await eventually(lambda: scored("c_quiet", "No answer yet; "))
    assert (quiet["label"], quiet["evidence"]["enough"], 0 < quiet["value"] < 1) == ("Promoter", True, True)
