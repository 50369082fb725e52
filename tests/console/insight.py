"""What analytics knows of the invented shop: why it noticed what it did, and how well its models do."""

from tests.console.shop import NOTICED, Json, ago, key

STATE = {
    "recency": 24.2, "tenure": 143.0, "order_days": 14.0, "recent_14": 0.31, "recent_28": 0.82, "recent_112": 5.4,
    "gap_mean": 2.21, "gap_var": 0.04, "spend": 3.76, "pieces": 1.61, "lines": 1.1, "web": 0.0, "mail": 0.5,
    "tickets": 0.0, "returns": 0.6, "horizon_days": 56.0,
}  # fmt: skip
FEATURES: dict[str, Json] = {
    "purchase_silence": {"mean_days": 9.1, "shape": 6.2, "gaps": 13.0, "silent_days": 24.2},
    "churn_risk": STATE,
    "support_load": {"recent": 3.0, "expected": 0.4, "weight": 1.2, "open": 2},
    "spend_deviation": {
        "spell": 0.02, "log_ratio": 8.1, "usual_log": 3.74, "spread_log": 0.19, "evidence_years": 412.0, "orders": 13.0,
    },
}  # fmt: skip
REASONS: dict[str, list[Json]] = {
    "churn_risk": [
        {"code": "silence", "text": "Long since the last order, which raises the risk.", "weight": 1.42},
        {"code": "mail", "text": "Opens mails, which lowers the risk.", "weight": -0.36},
        {"code": "lately", "text": "Fewer orders of late, which raises the risk.", "weight": 0.21},
    ],
}
MEASURES: dict[str, tuple[Json, Json]] = {
    "spend_deviation": (
        {"value": 42.1, "unit": "GBP", "text": "about £42"},
        {"value": 6.2, "unit": "GBP", "text": "£6.20"},
    ),
    "support_load": (
        {"value": 0.4, "unit": "tickets", "text": "hardly any in three weeks"},
        {"value": 3, "unit": "tickets", "text": "about 3 tickets in three weeks"},
    ),
}


def decisions(trigger: str) -> list[Json]:
    """The steps of the trigger behind alert `tr-a-<n>`, newest first; of every third one it is over."""
    if not trigger.startswith("tr-a-"):
        return []
    place = int(trigger.removeprefix("tr-a-"))
    kind, severity, sentence, step = NOTICED[place % len(NOTICED)]
    expected, observed = MEASURES.get(
        kind,
        (
            {"value": 9, "unit": "days", "text": "an order every 9 days"},
            {"value": 24, "unit": "days", "text": "24 days without an order"},
        ),
    )
    by_model = kind == "churn_risk"
    told = {
        "kind": kind,
        "customer": key(place),
        "trigger": trigger,
        "sentence": sentence,
        "direction": "good" if step == "Say thank you" else "bad",
        "severity": severity,
        "expected": expected,
        "observed": observed,
        "features": FEATURES[kind],
        "model": kind if by_model else None,
        "model_version": 41 if by_model else None,
        "reasons": REASONS.get(
            kind,
            [
                {"code": "rhythm", "text": "14 orders so far, usually every 9 days.", "weight": 0.6},
                {"code": "threshold", "text": "A gap this long is seen in about 1 of 2,400.", "weight": 0.4},
            ],
        ),
    }
    steps = [
        told | _step(trigger, "raised", 0.62, days=6, offset=41_200),
        told | _step(trigger, "updated", 0.97, hours=5, offset=41_377),
    ]
    if place % 3 == 0 and place:
        bare = {name: told[name] for name in ("kind", "customer", "trigger")}
        over = {"sentence": "They ordered again.", "model": None, "model_version": None}
        steps.append(bare | over | _step(trigger, "cleared", 0.97, hours=1, offset=41_400))
    return steps[::-1]


def _step(trigger: str, action: str, score: float, *, offset: int, **span: float) -> Json:
    found: Json = {"id": f"d-{trigger}-{action}", "action": action, "time": ago(**span), "score": score}
    return found | {"event_ids": [f"f-{offset}"], "log": {"partition": 3, "offset": offset}}


def explained(step: Json) -> Json:
    """As analytics shows one step: with the score computed again."""
    if not step.get("features"):
        return step | {"check": {"score": None, "same": None, "text": "Nothing was scored in this step."}}
    text = "Computed again from what was stored: the same."
    return step | {"check": {"score": step["score"], "same": True, "text": text}}


def models() -> list[Json]:
    """The newest version of each; `in_use` and `pinned` are put in by who answers."""
    return [_churn(41), _timing(7), _links(3), _segments(5)]


def versions(name: str) -> list[Json]:
    """Newest first."""
    made = {"churn_risk": _churn, "purchase_timing": _timing, "links": _links, "segments": _segments}
    newest = next((model["version"] for model in models() if model["model"] == name), 0)
    return [made[name](version) for version in range(newest, max(0, newest - 12), -1)]


def _version(model: str, version: int, newest: int, examples: int, figures: Json) -> Json:
    common = {name: figures[name] for name in ("auc", "brier", "log_loss", "calibration") if name in figures}
    adopted_at = ago(minutes=14 + (newest - version) * 300)
    return common | {
        "model": model,
        "version": version,
        "adopted_at": adopted_at,
        "examples": examples,
        "figures": figures,
    }


def _churn(version: int) -> Json:
    bins = [
        {"predicted": share, "observed": share + (0.03 if place % 2 else -0.02), "count": 900 - place * 80}
        for place, share in enumerate(tenth / 10 + 0.05 for tenth in range(10))
    ]
    figures = {
        "auc": round(0.783 - 0.0014 * (41 - version), 4),
        "brier": round(0.1712 + 0.0008 * (41 - version), 4),
        "log_loss": 0.511,
        "base_rate": 0.41,
        "calibration_error": 0.0164,
        "calibration": bins,
        "leader": "projected",
        "champion": "projected",
        "contenders": {
            "projected": {"auc": 0.783, "log_loss": 0.511, "brier": 0.1712, "recent_log_loss": 0.498},
            "direct": {"auc": 0.779, "log_loss": 0.519, "brier": 0.1734, "recent_log_loss": 0.502},
            "plain": {"auc": 0.741, "log_loss": 0.588, "brier": 0.1969, "recent_log_loss": 0.561},
        },
        "judged": 9120,
        "drifts": 1,
        "changes": 0,
    }
    return _version("churn_risk", version, 41, 18_240 - (41 - version) * 200, figures)


def _timing(version: int) -> Json:
    figures = {
        "gaps": 3120,
        "mae_at_order": 8.4,
        "mae_own_mean_at_order": 9.9,
        "coverage_at_order": 0.794,
        "coverage_by_evidence_at_order": {"few": 0.71, "some": 0.79, "many": 0.81},
        "mae_in_silence": 6.1,
        "mae_own_mean_in_silence": None,
        "coverage_in_silence": 0.71,
    }
    return _version("purchase_timing", version, 7, 3600, figures)


def _links(version: int) -> Json:
    figures = {
        "hit_rate_10": 0.214,
        "popular_hit_rate_10": 0.131,
        "judged": 811,
        "products": 642,
        "pairs": 18_204,
        "pair_error": 1.4,
    }
    return _version("links", version, 3, 12_400, figures)


def _segments(version: int) -> Json:
    figures = {"segments": {"regulars": 0.31, "lost": 0.22, "<b>new</b>": 0.47}, "hooked_after": 4}
    return _version("segments", version, 5, 9_800, figures)
