"""Next best offers on a shop's log against the most popular and item-item cosine; pairs against exact counts.

Before each basket of a customer who bought before, ten products that this customer never bought are offered; the basket
counts when it holds a product that is new to the customer, from day 30 of the log on. It is hit when one of the ten is
in it. Ours is what the learner published last, half a day old at most, as it is live; the others know the log up to
the very moment, what is most popular is what customers lately bought for the first time (the best of five half-lives),
and the cosines are refitted every seventh day (the better of two: customers' baskets added up, or basket by basket).
"""

import gzip
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from analytics.events import Event, What
from analytics.learners.links import LinksLearner
from analytics.learners.pairs import Pairs, keys_of
from analytics.operators.base import Example, World
from analytics.operators.links import MOST_LINES, Bought, Links, sampled
from analytics.orders import DAY
from analytics.profile import Profile
from benchmarks.rows import Row

SHOP, BASKETS = "online_retail.csv.gz", "groceries.csv.gz"
TOP, WARM_UP, REFIT = 10, 30 * DAY, 7 * DAY
HALF_LIVES = (3, 7, 14, 30, 90)


@dataclass(frozen=True)
class Basket:
    at: float
    order: str
    customer: int
    products: list[int]


@dataclass
class Shop:
    """Baskets in order of time, products by number."""

    baskets: list[Basket]
    skus: list[str]
    names: list[str]

    def event(self, basket: Basket, most: int | None = None) -> Event:
        items = [{"sku": self.skus[p], "name": self.names[p]} for p in basket.products[:most]]
        who = str(basket.customer)
        return Event(What.ORDER, basket.order, who, basket.at, basket.at, data={"items": items})


def run(data: Path) -> list[Row]:
    """The table."""
    shop = read(data / SHOP)
    hits = offered(shop)
    popular = max(hits.rate(f"popular {days}") for days in HALF_LIVES)
    cosine = max(hits.rate("cosine of customers"), hits.rate("cosine of baskets"))
    ours = hits.rate("ours")
    return [
        Row("baskets with something new", hits.baskets, ""),
        Row("most popular: hit rate at 10", popular, ""),
        Row("most popular since the beginning", hits.rate("popular ever"), ""),
        Row("item-item cosine refitted weekly", cosine, ""),
        Row("ours: hit rate at 10", ours, ""),
        Row("ours, customers with an odd hash", hits.rate("ours, odd"), ""),
        Row("ours: right among the ten", hits.right["ours"] / hits.baskets / TOP, ""),
        Row.at_least("ours / most popular", ours / popular, "", 1.2),
        Row.at_least("ours / cosine", ours / cosine, "", 1.0),
        Row.at_most("bought before and offered", hits.again, "", 0),
        *_costs(shop),
        *_pairs_of_baskets(data / BASKETS),
        *_pairs_of_shop(shop),
    ]


def read(path: Path) -> Shop:
    """Invoices with a customer, less cancellations, each product of an invoice once."""
    with gzip.open(path) as file:
        rows = pd.read_csv(file, dtype={"InvoiceNo": str, "StockCode": str}, parse_dates=["InvoiceDate"])
    rows = rows[rows["CustomerID"].notna() & ~rows["InvoiceNo"].str.startswith("C") & (rows["Quantity"] > 0)]
    numbers, skus = pd.factorize(rows["StockCode"])
    rows = rows.assign(product=numbers, at=rows["InvoiceDate"].astype("datetime64[ns]").astype("int64") / 1e9)
    names = rows.groupby("product")["Description"].first().fillna("")
    baskets = [
        Basket(float(lines["at"].iloc[0]), str(order), int(lines["CustomerID"].iloc[0]), list(dict.fromkeys(products)))
        for order, lines in rows.groupby("InvoiceNo", sort=False)
        for products in [lines["product"].tolist()]
    ]
    return Shop(sorted(baskets, key=lambda basket: basket.at), list(skus), names.tolist())


@dataclass
class Hits:
    """By method: baskets that were hit, and offers that were right."""

    baskets: int = 0
    odd: int = 0
    again: int = 0
    hit: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    right: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def rate(self, method: str) -> float:
        return self.hit[method] / max(1, self.odd if method.endswith("odd") else self.baskets)

    def note(self, method: str, offers: Sequence[int], new: set[int], odd: bool) -> None:
        right = len(new.intersection(offers))
        self.hit[method] += right > 0
        self.right[method] += right
        if odd:
            self.hit[f"{method}, odd"] += right > 0


class Others:
    """What ours is held against."""

    def __init__(self, shop: Shop) -> None:
        size = len(shop.skus)
        self.start = shop.baskets[0].at // DAY * DAY
        self.lately = {days: np.zeros(size) for days in HALF_LIVES}
        self.ever, self.moment, self.refit = np.zeros(size), self.start, self.start
        self.customers: list[tuple[int, int]] = []
        self.orders: list[tuple[int, int]] = []
        self.cosines: dict[str, np.ndarray] = {}

    def tell(self, at: float) -> None:
        for days, counts in self.lately.items():
            counts *= 0.5 ** ((at - self.moment) / DAY / days)
        self.moment = at
        if at - self.refit >= REFIT:
            self.refit += (at - self.refit) // REFIT * REFIT
            self.cosines = {"customers": _cosines(self.customers, len(self.ever))}
            self.cosines["baskets"] = _cosines(self.orders, len(self.ever))

    def offers(self, bought: set[int]) -> Iterator[tuple[str, list[int]]]:
        mine = list(bought)
        yield "popular ever", _best(self.ever, mine)
        for days, counts in self.lately.items():
            yield f"popular {days}", _best(counts, mine)
        for name, cosines in self.cosines.items():
            yield f"cosine of {name}", _best(cosines[mine].sum(axis=0), mine)

    def learn(self, place: int, basket: Basket, bought: set[int]) -> None:
        self.ever[basket.products] += 1
        if bought:
            new = [product for product in basket.products if product not in bought]
            for counts in self.lately.values():
                counts[new] += 1
        self.customers += [(basket.customer, product) for product in basket.products]
        self.orders += [(place, product) for product in basket.products]


def _cosines(cells: list[tuple[int, int]], size: int) -> np.ndarray:
    rows, columns = np.array(cells).T
    matrix = csr_matrix((np.ones(len(cells), np.float32), (rows, columns)), shape=(rows.max() + 1, size))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    shared = (matrix.T @ matrix).toarray()
    norms = np.sqrt(np.maximum(np.diag(shared), 1))
    np.fill_diagonal(shared, 0)
    return np.asarray(shared / norms[:, None] / norms[None, :])


def _best(scores: np.ndarray, without: list[int]) -> list[int]:
    scores = scores.copy()
    scores[without] = -np.inf
    best: list[int] = np.argpartition(-scores, TOP)[:TOP].tolist()
    return best


def offered(shop: Shop) -> Hits:
    """Goes through the log once, offering before and learning after each basket."""
    operator, world, learner, others, hits = Links(), World(), LinksLearner(), Others(shop), Hits()
    profiles: dict[int, Profile] = defaultdict(Profile)
    known: dict[int, set[int]] = defaultdict(set)
    numbers = {sku: number for number, sku in enumerate(shop.skus)}
    for place, basket in enumerate(shop.baskets):
        profile, bought = profiles[basket.customer], known[basket.customer]
        others.tell(basket.at)
        new = set(basket.products) - bought
        if bought and new and basket.at >= others.start + WARM_UP:
            odd = bool(basket.customer % 2)
            hits.baskets += 1
            hits.odd += odd
            ours = [] if learner.offers is None else learner.offers.offers(profile.of(Bought), TOP)
            mine = [numbers[offer.sku] for offer in ours]
            hits.again += len(bought.intersection(mine))
            hits.note("ours", mine, new, odd)
            for method, offers in others.offers(bought):
                hits.note(method, offers, new, odd)
        for said in operator.learn(profile, shop.event(basket), world):
            if isinstance(said, Example):
                learner.take(said.data)
        others.learn(place, basket, bought)
        bought.update(basket.products)
    return hits


def _costs(shop: Shop) -> list[Row]:
    """Processor time of operator and learner together, for whole baskets and for the first line of each alone."""
    rows = []
    for name, most in (("an order of one line takes", 1), ("an order takes", None)):
        events = [shop.event(basket, most) for basket in shop.baskets]
        operator, world, learner = Links(), World(), LinksLearner()
        profiles: dict[str, Profile] = defaultdict(Profile)
        began = time.process_time()
        for event in events:
            for said in operator.learn(profiles[event.customer], event, world):
                if isinstance(said, Example):
                    learner.take(said.data)
        took = time.process_time() - began
        rows.append(Row(name, 1e6 * took / len(events), "µs"))
    lines = sum(len(basket.products) for basket in shop.baskets)
    rows.append(Row("and that is for each of its lines", 1e6 * took / lines, "µs"))
    rows.append(Row("bytes of a customer, at most", max(len(p.of(Bought).pack()) for p in profiles.values()), ""))
    return rows


def _pairs_of_baskets(path: Path) -> list[Row]:
    """The sketch with far too little room against exact counts."""
    with gzip.open(path, "rt") as file:
        baskets = [sorted(set(line.strip().split(","))) for line in file]
    numbers = {item: at for at, item in enumerate(sorted({item for basket in baskets for item in basket}))}
    exact, pairs = np.zeros((len(numbers), len(numbers))), Pairs(2_048)
    for at in range(0, len(baskets), 256):
        found = [[numbers[item] for item in basket] for basket in baskets[at : at + 256]]
        both = np.array([pair for basket in found for pair in combinations(basket, 2)], np.uint32)
        np.add.at(exact, (both[:, 0], both[:, 1]), 1)
        pairs.add(keys_of(both[:, 0], both[:, 1]), 1.0)
    short = exact.copy()
    for key, count in zip(pairs.keys.tolist(), pairs.together.tolist(), strict=True):
        short[key >> 14, key & 16_383] -= count
    most = exact >= np.sort(exact.ravel())[-500]
    return [
        Row(f"{BASKETS}: pairs, counted with room for {pairs.capacity:,}", float(np.count_nonzero(exact)), ""),
        Row("counted more often than they are", float(max(0.0, -short.min())), ""),
        Row.at_most("counted less often, at most", float(short.max()), "", pairs.error),
        Row("the 500 most frequent: counted less, mean", 100 * float((short[most] / exact[most]).mean()), "%"),
    ]


def _pairs_of_shop(shop: Shop) -> list[Row]:
    """What sampling huge baskets does to the counts: weighted samples against all pairs, for pairs of 50 baskets on."""
    size = len(shop.skus)
    exact, counted = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    numbers = {sku: number for number, sku in enumerate(shop.skus)}
    huge = 0
    for basket in shop.baskets:
        products = kept = np.array(basket.products)
        weight = 1.0
        if len(products) > MOST_LINES:
            huge += 1
            chosen = sampled({shop.skus[p]: "" for p in basket.products}, basket.order)
            kept = np.array([numbers[sku] for sku in chosen])
            weight = len(products) * (len(products) - 1) / (MOST_LINES * (MOST_LINES - 1))
        exact[np.ix_(products, products)] += 1
        counted[np.ix_(kept, kept)] += weight
    frequent = np.triu(exact, 1) >= 50
    error = np.abs(counted[frequent] / exact[frequent] - 1)
    return [
        Row(f"{SHOP}: baskets sampled, of more than {MOST_LINES} products", 100 * huge / len(shop.baskets), "%"),
        Row("pairs of 50 baskets and more: error by that, median", 100 * float(np.median(error)), "%"),
        Row("and of one in a hundred more than", 100 * float(np.quantile(error, 0.99)), "%"),
    ]
