"""What pages of the analytics show, worked out without any page."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.clients.analytics.customers import Measure, Reason
from console.clients.analytics.decisions import Decision
from console.clients.analytics.models import Model
from console.clients.analytics.queries import DryRun, Firing, Position
from console.views.features import features
from console.views.figures import contenders, matches, told
from console.views.models import calibration_chart, progress_chart, use_of, verdict
from console.views.rule import EXAMPLES, excerpt, firings
from console.views.why import comparison, shown_step, weighed
from console.views.wording import brief
from tests.console import insight, watch

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.03125, "0.0312"), (1.44, "1.4"), (12.34, "12.3"), (1234.5, "1,234"), (3.0, "3"), (1e300, None)],
)
def test_numbers_have_three_digits_that_matter(value: float, said: str | None) -> None:
    assert said is None or brief(value) == said
    assert brief(None) == "—"
    assert "e" not in brief(-0.5)


# -- why ------------------------------------------------------------------------------------------------


def test_expected_and_observed_are_on_one_scale() -> None:
    drawn = comparison(Measure(value=9, text="every 9 days"), Measure(value=24, text="24 days"))
    assert drawn
    assert (drawn.expected.share, drawn.observed.share) == (37.5, 100.0)
    assert drawn.said == "2.7 times what was expected"
    less = comparison(Measure(value=40, text="£40"), Measure(value=10, text="£10"))
    assert less
    assert less.said == "25% of what was expected"
    even = comparison(Measure(value=40, text=""), Measure(value=40.5, text=""))
    assert even
    assert even.said == "About what was expected"
    words_only = comparison(Measure(text="by the shop"), Measure(value=3, text="by the web"))
    assert words_only
    assert words_only.expected.share is words_only.observed.share is None
    assert comparison(None, Measure(value=1)) is None
    asked = comparison(Measure(value=2, text="2"), Measure(value=3, text="14-day orders 3"), of_rule=True)
    assert asked
    assert (asked.expected.label, asked.said) == ("The rule says", "")


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=6), st.booleans())
def test_any_weights_can_be_drawn(weights: list[float | None], by_model: bool) -> None:
    for bar in weighed([Reason(text="r", weight=weight) for weight in weights], by_model=by_model):
        assert 0 <= bar.start <= 100
        assert bar.size >= 0
        assert bar.start + bar.size <= 100.01


def test_what_lowers_a_risk_stands_on_the_left() -> None:
    reasons = [Reason(text="up", weight=2.0), Reason(text="down", weight=-1.0)]
    up, down = weighed(reasons, by_model=True)
    assert (up.start, up.size, up.tone, up.said) == (50.0, 50.0, "raises", "+2.00")
    assert (down.start, down.size, down.tone, down.said) == (25.0, 25.0, "lowers", "-1.00")
    share = weighed([Reason(text="r", weight=0.6)], by_model=False)[0]
    assert (share.start, share.size, share.said) == (0.0, 100.0, "60%")


def test_features_are_said_with_their_units() -> None:
    found = {one.label: one for one in features(insight.FEATURES["spend_deviation"], "GBP")}
    assert found["Usual order"].text == "£42.10"
    assert found["Usual order"].exact == "3.74"
    assert found["Orders scatter by a factor of"].text == "× 1.2"
    assert found["This order, unusual against usual"].text == "3,294 to 1"
    assert found["Evidence"].text == "as rare as once in 412 years"
    silent = {one.label: one.text for one in features(insight.FEATURES["purchase_silence"], "days")}
    assert silent["Silent for"] == "24.2 days"
    rule = features({"rule": "a > 1", "values": {"tickets.open": 2.0, "silence": None}, "newThing": 1.5}, None)
    assert [(one.label, one.text) for one in rule] == [
        ("Rule", "a > 1"), ("tickets.open", "2"), ("silence", "not known"), ("New thing", "1.5"),
    ]  # fmt: skip


VALUES = st.none() | st.booleans() | st.text(max_size=9) | st.floats() | st.integers()


@given(st.dictionaries(st.sampled_from([*insight.STATE, "usual_log", "log_ratio", "values", "x"]), VALUES))
def test_any_features_can_be_said(stored: dict[str, object]) -> None:
    assert len(features(stored, "GBP")) == len(stored)


def test_the_newest_step_that_was_scored_is_shown_first() -> None:
    steps = [Decision.model_validate(step) for step in insight.decisions("tr-a-3")]
    assert [step.action for step in steps] == ["cleared", "updated", "raised"]
    assert shown_step(steps, None).action == "updated"
    assert shown_step(steps, steps[0].id).action == "cleared"
    assert shown_step(steps, "no such step").action == "updated"
    assert shown_step(steps[:1], None).action == "cleared"


# -- models ---------------------------------------------------------------------------------------------


def model(name: str) -> Model:
    return next(Model.model_validate(one) for one in insight.models() if one["model"] == name)


def test_figures_are_said_in_words_whatever_a_learner_tells() -> None:
    said = {figure.label: figure.text for figure in told(model("churn_risk"), parts=True)}
    assert list(said)[:4] == ["Examples learned", "AUC", "Brier score", "Log loss"]
    assert said["AUC"] == "0.783"
    assert said["Calibration error"] == "1.6%"
    assert "Contenders" not in said
    timing = {figure.label: figure.text for figure in told(model("purchase_timing"), parts=True)}
    assert timing["Within the 80 % range, many"] == "81.0%"
    assert timing["Mean error after an order"] == "8.4 days"
    assert "Within the 80 % range, many" not in {f.label for f in told(model("purchase_timing"), parts=False)}
    sums = {"lines": 900, "expected": 4_500.0, "spent": 5_000.0, "inside": 0.8}
    year = Model(model="y", version=1, figures={"reach_days": 112.0, "by_days": {"56": sums, "112": {}, "168": None}})
    assert [(f.label, f.text) for f in told(year, parts=True)][1:] == [
        ("Checked so far ahead", "112 days"), ("56 days ahead, expected against spent", "90%"),
    ]  # fmt: skip
    odd = Model(model="m", version=1, figures={"newFigure": 3, "none": None, "word": "x", "flag": True})
    assert [f.text for f in told(odd, parts=True)] == ["0", "True", "3", "—", "x"]


def test_models_are_held_against_their_rivals() -> None:
    (hits,) = matches(model("links"))
    assert [(rival.label, rival.leads) for rival in hits.rivals] == [
        ("This model", True),
        ("The ten most popular", False),
    ]
    (error,) = matches(model("purchase_timing"))
    assert error.rivals[0].leads
    assert error.rivals[1].size == 100
    (contest,) = matches(model("churn_risk"))
    assert [rival.leads for rival in contest.rivals] == [True, False, False]
    champion = contenders(model("churn_risk"))[0]
    assert (champion.leads, champion.champion) == (True, True)


def test_a_model_without_probabilities_is_judged_by_its_rivals_and_ranges() -> None:
    assert verdict(model("links")) == ("ok", "Healthy")
    assert verdict(model("purchase_timing")) == ("watch", "Its 80 % ranges hold 71%")
    assert verdict(model("segments")) == ("ok", "Healthy")
    worse = Model(model="l", version=1, examples=900, figures={"hit_rate_10": 0.1, "popular_hit_rate_10": 0.2})
    assert verdict(worse) == ("watch", "No better than the ten most popular")
    assert verdict(Model(model="l", version=1, examples=9, figures={"hit_rate_10": 0.1}))[0] == "unknown"
    unjudged = {"hit_rate_10": 0.0, "popular_hit_rate_10": 0.0, "judged": 0}
    assert verdict(Model(model="l", version=1, examples=900, figures=unjudged))[0] == "unknown"
    assert matches(Model(model="l", version=1, examples=900, figures=unjudged)) == []
    assert verdict(Model(model="c", version=1, examples=900, figures={"auc": None}))[0] == "unknown"


def test_charts_hold_what_is_known() -> None:
    versions = [Model.model_validate(one) for one in insight.versions("churn_risk")]
    drawn = progress_chart(versions)
    assert drawn
    assert drawn["versions"] == list(range(30, 42))
    assert [line["name"] for line in drawn["lines"]] == ["AUC", "Brier score"]
    assert drawn["lines"][0]["values"][-1] == 0.783
    assert progress_chart(versions[:1]) is None
    assert len(calibration_chart(versions[0].calibration)["points"]) == 10


def test_the_version_in_use_is_named() -> None:
    new, old = Model(model="m", version=9, in_use=False), Model(model="m", version=4, in_use=True, pinned=True)
    assert use_of([new, old]).said == "Version 4 is in use; the newest is 9"
    assert use_of([new, old]).pinned
    assert use_of([new]).said == "An older version is in use; the newest is 9"
    assert use_of([old]).said == "Version 4 is in use"


# -- rules ----------------------------------------------------------------------------------------------


def test_an_error_is_shown_under_its_place() -> None:
    rule = "count(order) over 7d > 2\nand " + "x" * 40 + " and tickets.opn > 0 and silence > 3 and orders.count > 2"
    place = rule.index("tickets.opn")
    shown = excerpt(rule, Position(line=2, column=place - 24, offset=place))
    assert shown.at == "tickets.opn"
    assert shown.before.endswith("xx and ")
    assert shown.before.startswith("…x")
    assert len(shown.indent) == len(shown.before)
    assert shown.after.startswith(" > 0 and silence")
    assert shown.after.endswith("…")
    end = excerpt("sum(order.total) over", Position(offset=21))
    assert (end.at, end.before, end.after) == ("", "sum(order.total) over", "")
    assert excerpt("a > £", Position(offset=4)).at == "£"


@given(st.text(max_size=200), st.integers(-5, 300))
def test_any_place_of_any_rule_can_be_shown(rule: str, offset: int) -> None:
    shown = excerpt(rule, Position(offset=offset))
    assert "\n" not in shown.before + shown.at + shown.after
    assert 0 <= shown.offset <= len(rule)


def test_a_trial_is_drawn_by_day() -> None:
    trial = DryRun.model_validate(watch.dry_run(30))
    bars = firings(trial, LONDON)
    assert len(bars) == 14
    assert all(bar.x >= 0 and bar.x + bar.width <= 100.1 and bar.height == 100 for bar in bars)
    long = firings(DryRun.model_validate(watch.dry_run(365)), LONDON)
    assert all(bar.x + bar.width <= 100.1 for bar in long)
    assert firings(trial.model_copy(update={"fired": 900}), LONDON) == []
    assert firings(trial.model_copy(update={"items": []}), LONDON) == []
    last = trial.items[0].model_copy(update={"time": trial.until})  # some hours earlier it may be another day
    alone = trial.model_copy(update={"items": [last], "fired": 1, "since": trial.until})
    assert firings(alone, LONDON)[0].x + firings(alone, LONDON)[0].width <= 100.1
    early = trial.items[0].model_copy(update={"time": NOW - timedelta(days=900)})
    outside = trial.model_copy(update={"items": [early, trial.items[1]], "fired": 2})
    assert len(firings(outside, LONDON)) == 1


def test_examples_are_rules_of_their_own() -> None:
    assert len({rule for _, rule in EXAMPLES}) == len({name for name, _ in EXAMPLES}) == len(EXAMPLES)


def test_a_tried_rule_has_no_name_yet() -> None:
    firing = Firing(customer="c", time=NOW, sentence="It: open tickets 1 > 0.")
    assert firing.said == "Open tickets 1 > 0."
