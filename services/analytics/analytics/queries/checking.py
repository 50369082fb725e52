"""Tree to plan: every name resolved, every type checked, what it costs counted; anything amiss with its place."""

from dataclasses import dataclass

from analytics.events import What
from analytics.queries import syntax
from analytics.queries.absences import Absent, AbsentAfter
from analytics.queries.aggregates import LONGEST, Aggregates, days
from analytics.queries.conditions import Comparison, Condition, Elapsed, Joined, Membership, Negation
from analytics.queries.leaves import Aggregate, Since, StateValue, UsualLevel
from analytics.queries.parser import parse
from analytics.queries.rendering import render
from analytics.queries.syntax import RuleError
from analytics.queries.tracks import Track
from analytics.queries.values import Computed, Constant, Operand, length
from analytics.queries.vocabulary import FUNCTIONS, SILENCE, STATES, Type, did_you_mean


@dataclass(frozen=True)
class Plan:
    """A rule that can run. `text` is its one way of being written, `horizon` how far back it looks, in seconds.

    `facts` are the events after which it has to be looked at again; a rule on states has to be after every event.
    """

    text: str
    condition: Condition
    quiet: int
    tracks: tuple[Track, ...]
    states: frozenset[str]
    horizon: int

    @property
    def facts(self) -> frozenset[What]:
        return frozenset(What) if self.states else frozenset(track.stream.thing.fact.what for track in self.tracks)

    @property
    def bytes(self) -> int:
        """The most it takes of a customer's memory."""
        return sum(track.largest for track in self.tracks)

    def reading(self) -> str:
        """The rule in plain English."""
        again = f"; at most once in {length(self.quiet)} for a customer" if self.quiet else ""
        return f"When {self.condition.reading()}{again}."


def check(text: str) -> Plan:
    """The plan of a rule. Raises RuleError."""
    rule = parse(text)
    checker = _Checker()
    condition = checker.condition(rule.condition)
    quiet = rule.quiet
    if quiet is not None and quiet.seconds > LONGEST:
        raise RuleError(f"at most {days(LONGEST)}", quiet.at)
    tracks = tuple(checker.aggregates.tracks.values())
    for number, track in enumerate(tracks, 1):
        track.number = number
    return Plan(
        render(rule), condition, quiet.seconds if quiet else 0, tracks, frozenset(checker.states), checker.horizon
    )


class _Checker:
    def __init__(self) -> None:
        self.aggregates = Aggregates()
        self.states: set[str] = set()
        self._elapsed = 0

    @property
    def horizon(self) -> int:
        return max(self._elapsed, self.aggregates.horizon)

    # -- conditions -------------------------------------------------------------------------------

    def condition(self, node: syntax.Condition) -> Condition:
        match node:
            case syntax.Logic(op, parts):
                return Joined(tuple(map(self.condition, parts)), op == "or")
            case syntax.Not(operand):
                return Negation(self.condition(operand))
            case syntax.Compare():
                return self._comparison(node)
            case syntax.Among():
                return self._membership(node)
            case syntax.Call(function="no"):
                return self._absence(node)
            case _:
                value = self._operand(node, "")
                raise RuleError(f"this is {value.type.value}, not a condition: compare it, as in … > 0", node.at)

    def _comparison(self, node: syntax.Compare) -> Condition:
        currency = _currency(node)
        times = [side for side in (node.left, node.right) if _is_time(side)]
        if len(times) == 2:
            raise RuleError("two times since do not compare: compare each with a duration", node.at)
        if times:
            return self._elapsed_time(node, currency)
        if isinstance(node.left, syntax.Usual) or _uses_usual(node.left):
            right = self._operand(node.right, currency)
            left = self._operand(node.left, currency, right)
        else:
            left = self._operand(node.left, currency)
            right = self._operand(node.right, currency, left)
        left, right = _alike(left, right, node)
        if left.type is Type.TEXT and node.op not in ("=", "!="):
            raise RuleError(f"texts are equal or not: {node.op} does not order them", node.at)
        return Comparison(node.op, left, right, _may_differ(left, right, currency), currency)

    def _elapsed_time(self, node: syntax.Compare, currency: str) -> Condition:
        flipped = _is_time(node.right)
        time, limit_node = (node.right, node.left) if flipped else (node.left, node.right)
        if node.op in ("=", "!="):
            raise RuleError("a time since is compared with >, >=, < or <=", node.at)
        since = self._since(time)
        _, limit = _alike(since, self._operand(limit_node, currency), node)
        self._elapsed = max(self._elapsed, self._reach(limit, limit_node))
        return Elapsed(since, limit, longer=(node.op[0] == ">") is not flipped)

    def _reach(self, limit: Operand, node: syntax.Node) -> int:
        """How far back a time since has to be known. A limit that is not constant may be anything."""
        if not isinstance(limit, Constant) or not isinstance(limit.constant, float):
            return LONGEST
        if limit.constant > LONGEST:
            raise RuleError(f"times since are known for {days(LONGEST)}", node.at)
        return int(limit.constant)

    def _membership(self, node: syntax.Among) -> Condition:
        operand, found = self._operand(node.operand, ""), []
        for value in node.values:
            _, literal = _alike(operand, _constant(value), syntax.Compare("=", node.operand, value, at=value.at))
            assert isinstance(literal, Constant)
            found.append(literal.constant)
        return Membership(operand, tuple(found), operand.type)

    def _absence(self, node: syntax.Call) -> Condition:
        track, window = self.aggregates.latest(node), self.aggregates.window(node)
        one, key = track.stream.thing.fact.one, self.aggregates.key(node)
        if node.after is None:
            return Absent(track, window, one, key)
        anchor = self.aggregates.latest(syntax.Call("no", node.after, at=node.after.at))
        return AbsentAfter(track, anchor, window, one, anchor.stream.thing.fact.one, key)

    # -- values -----------------------------------------------------------------------------------

    def _operand(self, node: syntax.Condition, currency: str, other: Operand | None = None) -> Operand:
        match node:
            case syntax.Number() | syntax.Money() | syntax.Duration() | syntax.Text():
                return _constant(node)
            case syntax.Name(name):
                return self._state(name, node)
            case syntax.Usual():
                return self._usual(node, other)
            case syntax.Call():
                return self._call(node, currency)
            case syntax.Minus(operand):
                return _computed("*", Constant(-1.0, Type.NUMBER), self._operand(operand, currency, other), node)
            case syntax.Arithmetic(op, left, right):
                values = [self._operand(side, currency, other) for side in (left, right)]
                return _computed(op, values[0], values[1], node)
            case _:
                raise RuleError("this is a condition: it has no value to reckon with", node.at)

    def _call(self, node: syntax.Call, currency: str) -> Operand:
        if node.function not in FUNCTIONS:
            raise RuleError(f"no function is called {node.function}{did_you_mean(node.function, FUNCTIONS)}", node.at)
        if node.function == "no":
            raise RuleError("no(…) is a condition: it has no value to reckon with", node.at)
        if node.function == "days_since":
            raise RuleError("a time since stands alone on one side of a comparison", node.at)
        return self.aggregates.aggregate(node, currency)

    def _state(self, name: str, node: syntax.Node) -> Operand:
        if name == SILENCE:
            raise RuleError("a time since stands alone on one side of a comparison", node.at)
        if name not in STATES:
            raise RuleError(f"nothing is called {name}{did_you_mean(name, [*STATES, SILENCE])}", node.at)
        self.states.add(name)
        return StateValue(name, STATES[name])

    def _since(self, node: syntax.Condition) -> Since:
        if not isinstance(node, syntax.Call):
            node = syntax.Call("days_since", syntax.Thing("order", at=node.at), at=node.at)
        if node.over is not None or node.after is not None:
            raise RuleError("days_since(…) has no window: write days_since(order) > 21d", node.at)
        track = self.aggregates.latest(node)
        return Since(track, track.stream.thing.fact.one, self.aggregates.key(node))

    def _usual(self, node: syntax.Usual, other: Operand | None) -> Operand:
        if node.function != "mean":
            raise RuleError(f"only “mean over …” goes without saying of what: write {node.function}(…) over …", node.at)
        of = [leaf for leaf in other.leaves() if isinstance(leaf, Aggregate)] if other else []
        if len(of) != 1 or of[0].function not in ("count", "sum", "mean"):
            raise RuleError("“mean over …” needs exactly one count, sum or mean on the other side", node.at)
        key = f"{of[0].key} in the {length(node.over.seconds)} before"
        return UsualLevel(of[0], self.aggregates.usual(of[0].track, of[0].window, node), key)


def _is_time(node: syntax.Condition) -> bool:
    return (isinstance(node, syntax.Call) and node.function == "days_since") or node == syntax.Name(SILENCE)


def _uses_usual(node: syntax.Condition) -> bool:
    match node:
        case syntax.Usual():
            return True
        case syntax.Minus(operand):
            return _uses_usual(operand)
        case syntax.Arithmetic(_, left, right):
            return _uses_usual(left) or _uses_usual(right)
        case _:
            return False


def _currency(node: syntax.Condition) -> str:
    """The one currency of the amounts in a comparison; empty when there are none."""
    found = ""
    for money in _amounts(node):
        if found and money.currency != found:
            raise RuleError(f"amounts in {found} and {money.currency} do not compare", money.at)
        found = money.currency
    return found


def _amounts(node: syntax.Condition) -> list[syntax.Money]:
    match node:
        case syntax.Money():
            return [node]
        case syntax.Minus(operand):
            return _amounts(operand)
        case syntax.Arithmetic(_, left, right) | syntax.Compare(_, left, right):
            return [*_amounts(left), *_amounts(right)]
        case _:
            return []


def _may_differ(left: Operand, right: Operand, currency: str) -> bool:
    """Whether amounts of different currencies may meet: not where all come of one aggregate, whose currency is settled
    by the amount it meets.
    """
    money = [
        leaf for leaf in (*left.leaves(), *right.leaves()) if isinstance(leaf, Aggregate | UsualLevel | StateValue)
    ]
    sources = {_source(leaf) for leaf in money if leaf.type is Type.MONEY}
    return len(sources) > 1 or (bool(currency) and any(isinstance(source, str) for source in sources))


def _source(leaf: Aggregate | UsualLevel | StateValue) -> Track | str:
    if isinstance(leaf, StateValue):
        return leaf.name
    return leaf.of.track if isinstance(leaf, UsualLevel) else leaf.track


def _constant(node: syntax.Literal) -> Constant:
    match node:
        case syntax.Number(value, percent):
            return Constant(float(value / 100 if percent else value), Type.NUMBER, share=percent)
        case syntax.Money(amount, currency):
            return Constant(float(amount), Type.MONEY, currency)
        case syntax.Duration(seconds):
            return Constant(float(seconds), Type.DURATION)
        case syntax.Text(value):
            return Constant(value, Type.TEXT)


def _as(operand: Operand, type_: Type) -> Operand:
    """A plain number beside money is an amount, beside a duration it is days."""
    if not isinstance(operand, Constant) or operand.type is not Type.NUMBER or operand.share:
        return operand
    if type_ is Type.MONEY:
        return Constant(operand.constant, Type.MONEY)
    if type_ is Type.DURATION and isinstance(operand.constant, float):
        return Constant(operand.constant * 86_400, Type.DURATION)
    return operand


def _alike(left: Operand, right: Operand, node: syntax.Compare | syntax.Arithmetic) -> tuple[Operand, Operand]:
    left, right = _as(left, right.type), _as(right, left.type)
    if left.type is not right.type:
        what = "compare" if isinstance(node, syntax.Compare) else "add up"
        raise RuleError(f"{left.type.value} and {right.type.value} do not {what}", node.at)
    for state, limit in ((left, right), (right, left)):
        if isinstance(state, StateValue) and state.state.share and isinstance(limit, Constant):
            _share(state.name, limit, node)
    return left, right


def _share(name: str, limit: Constant, node: syntax.Node) -> None:
    if isinstance(limit.constant, float) and not 0 <= limit.constant <= 1:
        raise RuleError(f"{name} goes from 0 to 1: write 70% or 0.7", node.at)


def _computed(op: str, left: Operand, right: Operand, node: syntax.Minus | syntax.Arithmetic) -> Operand:
    if isinstance(node, syntax.Arithmetic) and op in "+-":
        left, right = _alike(left, right, node)
    for side in (left, right):
        if side.type is Type.TEXT:
            raise RuleError("a text is nothing to reckon with", node.at)
    numbers = [side.type is Type.NUMBER for side in (left, right)]
    if op in "+-" or (op == "/" and numbers[1]):
        return Computed(op, left, right, left.type)
    if op == "/" and left.type is right.type:
        return Computed(op, left, right, Type.NUMBER)
    if op == "*" and any(numbers):
        return Computed(op, left, right, right.type if numbers[0] else left.type)
    doing = "multiplied with" if op == "*" else "divided by"
    raise RuleError(f"{left.type.value} cannot be {doing} {right.type.value}", node.at)
