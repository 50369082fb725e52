"""Standing queries: rules, what is wrong with them, what they would have said."""

from datetime import datetime

from pydantic import Field

from console.clients.base import Answer


class Position(Answer):
    """Where in a rule: line and column count from 1, `offset` in characters from 0."""

    line: int = 1
    column: int = 1
    offset: int = 0


class RuleError(Answer):
    detail: str
    position: Position = Field(default_factory=Position)


class Cost(Answer):
    """`bytes` of each customer's memory at most; `days` it looks back."""

    bytes: int = 0
    days: float = 0
    aggregates: int = 0


class RuleCheck(Answer):
    ok: bool
    rule: str | None = None
    reading: str | None = None
    cost: Cost | None = None
    errors: list[RuleError] = Field(default_factory=list)


class StandingQuery(Answer):
    """`status` is starting (it looks for what was before), running or ended."""

    id: str
    name: str
    rule: str
    reading: str = ""
    severity: str = "medium"
    direction: str = "bad"
    status: str = "running"
    cost: Cost = Field(default_factory=Cost)
    raised: int = 0
    open: int = 0
    created_at: datetime
    created_by: str | None = None
    started_at: datetime | None = None
    covered_from: datetime | None = None
    ended_at: datetime | None = None


class StandingQueries(Answer):
    items: list[StandingQuery]
    next: str | None = None


class Firing(Answer):
    customer: str
    time: datetime
    sentence: str

    @property
    def said(self) -> str:
        """The sentence without the name that a rule has while it is only tried."""
        text = self.sentence.removeprefix("It: ")
        return text[:1].upper() + text[1:]


class DryRun(Answer):
    """`holding`: of how many customers the rule is true at the end. `text` says it all in one sentence."""

    reading: str = ""
    days: int
    since: datetime | None = None
    until: datetime | None = None
    complete: bool = True
    fired: int
    customers: int
    holding: int = 0
    items: list[Firing] = Field(default_factory=list)
    text: str = ""
