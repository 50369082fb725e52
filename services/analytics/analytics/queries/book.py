"""The rules that are active in a partition, as the log has told it so far."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from struct import Struct
from typing import Any

import orjson

from analytics.events import What
from analytics.queries.checking import Plan, check
from analytics.queries.syntax import RuleError
from analytics.queries.tracks import Track
from analytics.sections import Section, stored

MOST_RULES = 999  # a rule's number makes the key of its episodes
_ENDED_KEPT = 200


@dataclass
class Active:
    """A rule that was told to run. It remembers from its first record on and speaks from `started` on, when what was
    before is remembered too; 0 until then. `tracks` gives the numbers of its tracks by their texts.
    """

    number: int
    query: str
    name: str
    text: str
    severity: str
    direction: str
    tracks: Mapping[str, int]
    started: float = 0.0

    def __post_init__(self) -> None:
        self.plan = _plan(self.text, tuple(sorted(self.tracks.items())))


@lru_cache(256)
def _plan(text: str, numbers: tuple[tuple[str, int], ...]) -> Plan | None:
    """None for a rule that this version does not understand. All partitions share it."""
    try:
        return numbered(check(text), dict(numbers))
    except (RuleError, KeyError):
        return None


def numbered(plan: Plan, numbers: Mapping[str, int]) -> Plan:
    """The plan with the numbers its tracks have in customers' memories. Raises KeyError for a track without one."""
    for track in plan.tracks:
        track.number = numbers[track.text]
    return plan


@dataclass
class RulesPopulation(Section):
    """Rules by number; from when on each track has seen everything; the queries that were ended lately.

    `tracks` are those of all rules; `feeding` and `looking` say, by fact, which tracks take it in and which rules have
    to be looked at after it.
    """

    rules: dict[int, Active] = field(default_factory=dict)
    covered: dict[int, float] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._arrange()

    def activate(self, data: Mapping[str, Any]) -> None:
        """A rule begins to remember. A repeat, and one that was ended already, change nothing."""
        query, number = str(data["query"]), int(data["number"])
        if query in self.ended or any(rule.query == query for rule in self.rules.values()):
            return
        tracks = {str(text): int(n) for text, n in data["tracks"].items()}
        name, text, severity, direction = (str(data[key]) for key in ("name", "rule", "severity", "direction"))
        self.rules[number] = Active(number, query, name, text, severity, direction, tracks)
        self._arrange()

    def start(self, query: str, at: float, covered: float) -> Active | None:
        """A rule begins to speak: `covered` is from when on its new tracks know everything. None for a repeat."""
        rule = next((rule for rule in self.rules.values() if rule.query == query), None)
        if rule is None or rule.started:
            return None
        rule.started = at
        for number in rule.tracks.values():
            self.covered.setdefault(number, covered)
        self._arrange()
        return rule

    def speaking(self) -> set[str]:
        """The queries that were started."""
        return {rule.query for rule in self.rules.values() if rule.started}

    def retire(self, query: str) -> int | None:
        """Ends a rule. Its number, or None when it was not active."""
        self.ended = [*self.ended, query][-_ENDED_KEPT:]
        number = next((number for number, rule in self.rules.items() if rule.query == query), None)
        if number is not None:
            del self.rules[number]
            self._arrange()
        return number

    def _arrange(self) -> None:
        self.tracks: dict[int, Track] = {}
        self.feeding: dict[What, list[Track]] = {what: [] for what in What}
        self.looking: dict[What, list[Active]] = {what: [] for what in What}
        self.running: list[Active] = []
        for _, rule in sorted(self.rules.items()):
            if (plan := rule.plan) is not None:
                self._arrange_rule(rule, plan)
        for _, track in sorted(self.tracks.items()):
            self.feeding[track.stream.thing.fact.what].append(track)
        self.covered = {number: at for number, at in self.covered.items() if number in self.tracks}
        self._packed = b""

    def _arrange_rule(self, rule: Active, plan: Plan) -> None:
        for track in plan.tracks:
            self.tracks.setdefault(track.number, track)
        if rule.started:
            self.running.append(rule)
            for what in plan.facts:
                self.looking[what].append(rule)

    def pack(self) -> bytes:
        if not self._packed:
            rules = [{**asdict(rule), "tracks": dict(rule.tracks)} for _, rule in sorted(self.rules.items())]
            covered = {str(n): None if math.isinf(at) else at for n, at in sorted(self.covered.items())}
            self._packed = orjson.dumps({"rules": rules, "covered": covered, "ended": self.ended})
        return self._packed

    @classmethod
    def unpack(cls, packed: bytes) -> "RulesPopulation":
        found = orjson.loads(packed)
        rules = {rule["number"]: Active(**rule) for rule in found["rules"]}
        covered = {int(n): -math.inf if at is None else at for n, at in found["covered"].items()}
        return cls(rules, covered, found["ended"])


stored(RulesPopulation, 71, Struct(""))
