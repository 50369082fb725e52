"""What the invented shop sells together, and the groups its customers fall into."""

from tests.console.shop import Json, ago, key

PRODUCTS = {"TEA/01": "Oolong, 250 g", "POT-2": "Cast-iron pot", "FIL": "Filter papers", "X<b>": "<b>Tin</b>"}


def product(sku: str) -> Json:
    return {"sku": sku, "name": PRODUCTS[sku]}


def offers(customer: str, limit: int) -> Json:
    """Of one customer too little is known."""
    if customer == key(7):
        return {"items": [], "evidence": {"enough": False, "text": "no product bought that is known"}}
    because = product("TEA/01") | {"confidence": 0.31, "together": 18.2, "after": 2.0, "popular": 40.0}
    found = [
        product("POT-2") | {"score": 1.0, "reason": "Bought with Oolong, 250 g in 31% of its baskets."},
        product("X<b>") | {"score": 0.42, "reason": "Bought for the first time by 40 customers lately."},
        {"sku": "NONAME-9", "name": "", "score": 0.17, "reason": "Bought next by customers who bought Filter papers."},
    ]
    items = [offer | {"evidence": because} for offer in found[:limit]]
    return {"items": items, "evidence": {"enough": True, "text": "14 of the products bought last are known"}}


def bought_with(sku: str) -> Json | None:
    """Of filter papers nothing is known beside that they were bought."""
    if sku not in PRODUCTS:
        return None
    others = [other for other in PRODUCTS if other != sku] if sku != "FIL" else []
    items = [
        product(other)
        | {"count": 61.4 / (place + 1), "support": 0.021, "confidence": 0.31 / (place + 1), "lift": 4.2 - place}
        for place, other in enumerate(others)
    ]
    text = "in about 198 of 2,911 baskets lately" if items else "in about 3 baskets lately; 5 are needed"
    return {
        "product": product(sku) | {"orders": 198.2},
        "evidence": {"enough": bool(items), "text": text},
        "items": items,
        "learned_until": ago(hours=3),
    }


def segments() -> Json:
    names = ("big-spending regulars", "one-timers", "slipping regulars", "new", "lost <b>regulars</b>")
    sizes, sums = (92, 361, 148, 205, 194), ("48210.50", "9100.00", "22410.00", "7000.00", "15001.20")
    total = sum(map(float, sums))
    rates = (0.41, 0.52, 0.61, 0.68, 0.69, 0.7, 0.69, 0.71)
    reached = [1000 // (place + 1) ** 2 for place in range(8)]
    return {
        "evidence": {"enough": True, "text": "1,000 customers are placed"},
        "items": [
            {
                "segment": place + 1,
                "name": name,
                "description": f"About {name}.",
                "customers": size,
                "share": size / 1000,
                "spent": [{"amount": spent, "currency": "GBP", "share": float(spent) / total}],
                "centre": {
                    "orders": (18.2, 1.0, 9.1, 1.0, 6.0)[place],
                    "spent": {"amount": f"{float(spent) / size * 0.8:.2f}", "currency": "GBP"},
                    "gap_days": 9.4 + place,
                    "silent_gaps": (1.0, 1.9, 2.6, 1.0, 9.7)[place],
                    "tenure_days": (301.0, 92.0, 244.0, 21.0, 362.0)[place],
                },
            }
            for place, (name, size, spent) in enumerate(zip(names, sizes, sums, strict=True))
        ],
        "top": [{"currency": "GBP", "customers": 0.2, "money": 0.63}],
        "loyalty": {
            "hooked_after": 4,
            "text": "After 4 purchases customers come back as surely as they ever do.",
            "purchases": [
                {"purchase": place + 1, "customers": count, "again": round(count * rate), "rate": rate}
                for place, (count, rate) in enumerate(zip(reached, rates, strict=True))
            ],
        },
        "model_version": 5,
    }
