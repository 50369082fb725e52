"""Visits against the sessions that a shop's log names, doubled posts, and what sifting costs.

The log has no addresses of pages: each of its events is taken for a view of a page of that name. The posts that come
twice are made here: each event once more, half a second later, under another id.
"""

import gzip
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pandas as pd

from analytics.events import Event, What
from analytics.profile import Profile
from analytics.visits import Sifted, sift
from benchmarks.rows import Row

LOG = "retentioneering_ecom.csv.gz"
_LATER = 0.5


def run(data: Path) -> list[Row]:
    """The table."""
    people = list(_people(data / LOG))
    begins = [begins for _, sessions in people for begins in _begins(sessions)]
    started = time.perf_counter()
    found = [sifted for events, _ in people for sifted in _sifted(events)]
    seconds = time.perf_counter() - started
    opens = [sifted is Sifted.OPENS for sifted in found]
    doubled = [pair for events, _ in people for pair in _doubled(events)]
    opens_doubled = sum(first is Sifted.OPENS for first, _ in doubled)
    found_again = sum(second is Sifted.TWICE for _, second in doubled)
    events = len(found)
    return [
        Row("web facts", events, ""),
        Row("sessions of the log", sum(begins), ""),
        Row("visits", sum(opens), ""),
        Row.at_least("session or visit begins, or neither", _percent(begins, opens), "%", 99.0),
        Row.at_most("people taken for robots", 100 * found.count(Sifted.PACE) / events, "% of facts", 0.0),
        Row("the same page again within three seconds", 100 * found.count(Sifted.TWICE) / events, "% of facts"),
        Row.at_least("posted twice: found", 100 * found_again / events, "%", 99.0),
        Row.at_most("posted twice: visits more or less", abs(opens_doubled - sum(opens)), "", 0),
        Row("a web fact takes", 1e6 * seconds / events, "µs"),
    ]


def _people(path: Path) -> Iterator[tuple[list[Event], list[str]]]:
    """Each customer's events in order of time, and the session of each."""
    with gzip.open(path) as file:
        rows = pd.read_csv(file, parse_dates=["timestamp"]).sort_values(["user_id", "timestamp"], kind="stable")
    moments = rows["timestamp"].astype("datetime64[ns]").astype("int64") / 1e9
    columns = zip(rows["user_id"], moments, rows["event"], rows["session_id"], strict=True)
    for user, group in groupby(enumerate(columns), key=lambda row: row[1][0]):
        lines = [(str(n), float(at), str(name), str(session)) for n, (_, at, name, session) in group]
        yield [_event(n, user, at, name) for n, at, name, _ in lines], [session for *_, session in lines]


def _event(id_: str, user: str, at: float, name: str) -> Event:
    return Event(What.TOUCHPOINT, id_, user, at, at, data={"kind": "page", "name": name})


def _sifted(events: list[Event]) -> list[Sifted]:
    profile = Profile()
    return [sift(profile, event) for event in events]


def _doubled(events: list[Event]) -> list[tuple[Sifted, Sifted]]:
    """What each event and its second post are taken for. A second post may come after the next event's first."""
    again = [replace(event, id=f"{event.id} again", time=event.time + _LATER) for event in events]
    ordered = sorted([*events, *again], key=lambda event: event.time)
    taken = dict(zip((event.id for event in ordered), _sifted(ordered), strict=True))
    return [(taken[first.id], taken[second.id]) for first, second in zip(events, again, strict=True)]


def _begins(sessions: list[str]) -> list[bool]:
    return [n == 0 or session != sessions[n - 1] for n, session in enumerate(sessions)]


def _percent(one: list[bool], other: list[bool]) -> float:
    return 100 * sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
