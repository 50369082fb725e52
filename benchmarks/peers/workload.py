"""One workload for every engine: score each order against its customer's own baseline and a shared churn model.

State of a customer: n, last time, mean gap, mean and variance of spend. Work of an event: decode JSON, update five
statistics, predict with a River pipeline on six features, decide. Every engine calls the same `step`, so the ratio of
two engines is the engines' own cost. All must report 241 alerts.
"""

import gc
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from river import compose, linear_model, preprocessing

EVENTS, CUSTOMERS, PARTITIONS = 100_000, 5_000, 4
EXPECTED_ALERTS = 241

State = dict[str, float]


def spare_collections() -> None:
    """The garbage collector as analytics sets it, for every engine alike."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


def events() -> Iterator[tuple[str, bytes]]:
    """(customer, JSON body); always the same."""
    r = random.Random(7)
    t = 1_700_000_000.0
    for i in range(EVENTS):
        c = r.randrange(CUSTOMERS)
        t += r.expovariate(1.0)
        amount = math.exp(r.gauss(3 + (c % 7) / 7, 0.4)) * (6 if r.random() < 0.001 else 1)
        order = {
            "type": "order_completed",
            "customer": f"c{c}",
            "time": t,
            "total": round(amount, 2),
            "currency": "GBP",
            "items": [{"sku": f"s{(c * 31 + i) % 400}", "qty": 1}] * 3,
        }
        yield f"c{c}", orjson.dumps(order)


def model() -> compose.Pipeline:
    m = compose.Pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    r = random.Random(1)
    for _ in range(2000):
        m.learn_one({k: r.random() for k in ("n", "gap", "mg", "amt", "ma", "z")}, r.random() < 0.3)
    return m


def step(s: State | None, e: Mapping[str, Any], m: compose.Pipeline) -> tuple[State, dict[str, Any] | None]:
    """(state or None, event, model) → (new state, alert or None)."""
    t, a = e["time"], e["total"]
    if s is None:
        s = {"n": 0, "t": t, "g": 0.0, "m": a, "v": 0.0}
    gap, z = t - s["t"], 0.0
    if s["n"] > 4:
        z = (a - s["m"]) / math.sqrt(s["v"] + 1e-6)
    x = {"n": s["n"], "gap": gap, "mg": s["g"], "amt": a, "ma": s["m"], "z": z}
    p = m.predict_proba_one(x).get(True, 0.5)
    d = a - s["m"]
    s = {
        "n": s["n"] + 1,
        "t": t,
        "g": s["g"] + 0.2 * (gap - s["g"]),
        "m": s["m"] + 0.2 * d,
        "v": 0.8 * (s["v"] + 0.2 * d * d),
    }
    return s, ({"customer": e["customer"], "z": z, "p": p} if z > 8 else None)
