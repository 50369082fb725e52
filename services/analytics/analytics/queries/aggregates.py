"""What a rule asks to be remembered, put together while it is checked: streams, windows, and what they cost."""

from analytics.queries import syntax
from analytics.queries.leaves import Aggregate
from analytics.queries.rendering import duration_text, thing_text
from analytics.queries.streams import Passes, Stream
from analytics.queries.syntax import RuleError
from analytics.queries.tracks import Keeps, Track
from analytics.queries.vocabulary import FACTS, Field, Resolved, Type, did_you_mean, resolve, things

DAY = 86_400
LONGEST = 400 * DAY
SHORTEST = 3_600
MOST_BYTES = 1_024  # a rule may take of a customer's memory
_OF_NUMBERS = frozenset({"sum", "mean", "min", "max", "last"})


class Aggregates:
    """Tracks by stream and kind; asking twice for the same gives the same."""

    def __init__(self) -> None:
        self.tracks: dict[tuple[str, Keeps], Track] = {}
        self.horizon = 0

    def aggregate(self, node: syntax.Call, currency: str) -> Aggregate:
        """`sum(order.total) over 7d`, checked."""
        if node.after is not None:
            raise RuleError("“after” belongs to no(…): write no(order) over 21d after lead", node.after.at)
        thing, window = self._thing(node), self.window(node)
        stream = self._stream(thing, node, currency)
        keeps = {"last": Keeps.LATEST, "distinct": Keeps.DIFFERENT}.get(node.function, Keeps.CELLS)
        track = self._track(stream, keeps, window, node)
        type_ = Type.NUMBER if node.function in ("count", "distinct") or thing.field is None else thing.field.type
        return Aggregate(node.function, track, window, type_, _label(node, thing), self.key(node))

    def latest(self, node: syntax.Call) -> Track:
        """The track that knows when the last such fact came."""
        thing = self._resolved(node.thing)
        if thing.field is not None:
            raise RuleError(f"{node.function}(…) is of facts: write {node.function}({thing.name})", node.thing.at)
        return self._track(self._stream(thing, node, ""), Keeps.LATEST, 0, node)

    def usual(self, track: Track, window: int, node: syntax.Usual) -> int:
        """Makes a track reach back over the time before its window as well."""
        over = node.over.seconds
        if over < 2 * window:
            raise RuleError(f"at least {days(2 * window)}: twice the window it is compared with", node.over.at)
        if window + over > LONGEST:
            raise RuleError(f"window and mean together reach back further than {days(LONGEST)}", node.over.at)
        self._extend(track, window + over, node)
        return over

    def window(self, node: syntax.Call) -> int:
        """The window of a call in seconds."""
        if node.over is None:
            raise RuleError(f"over how long? Write {node.function}({thing_text(node.thing)}) over 7d", node.at)
        seconds = node.over.seconds
        if not SHORTEST <= seconds <= LONGEST:
            raise RuleError(f"a window is from 1h to {days(LONGEST)} long", node.over.at)
        self.horizon = max(self.horizon, seconds)
        return seconds

    def key(self, node: syntax.Call) -> str:
        """How it is written."""
        over = f" over {duration_text(node.over)}" if node.over else ""
        after = f" after {node.after.name}" if node.after else ""
        return f"{node.function}({thing_text(node.thing)}){over}{after}"

    # -- names ------------------------------------------------------------------------------------

    def _resolved(self, thing: syntax.Thing) -> Resolved:
        found = resolve(thing.name)
        if found is None:
            raise RuleError(f"nothing to count is called {thing.name}{did_you_mean(thing.name, things())}", thing.at)
        return found

    def _thing(self, node: syntax.Call) -> Resolved:
        thing, function = self._resolved(node.thing), node.function
        fields = thing.fact.fields
        if function == "count" and thing.field is not None:
            raise RuleError(f"count is of facts: write count({thing.name})", node.thing.at)
        if function in _OF_NUMBERS and (thing.field is None or thing.field.type is Type.TEXT):
            raise RuleError(f"{function} is of numbers{_such(thing.name, fields, numbers=True)}", node.thing.at)
        if function == "distinct" and (thing.field is None or thing.field.type is not Type.TEXT):
            raise RuleError(f"distinct is of texts{_such(thing.name, fields, numbers=False)}", node.thing.at)
        return thing

    def _stream(self, thing: Resolved, node: syntax.Call, currency: str) -> Stream:
        where = tuple(self._passes(thing, f) for f in node.thing.where)
        is_money = thing.field is not None and thing.field.type is Type.MONEY
        return Stream.of(thing, where, node.thing, self._pinned(thing, node, currency) if is_money else "")

    def _pinned(self, thing: Resolved, node: syntax.Call, currency: str) -> str:
        """The currency that a filter or an amount settles."""
        for f in node.thing.where:
            named = (
                [str(v.value) for v in f.values if isinstance(v, syntax.Text)] if _bare(thing, f) == "currency" else []
            )
            named += [v.currency for v in f.values if isinstance(v, syntax.Money)]
            for name in named if f.op != "!=" else ():
                if currency and name != currency:
                    raise RuleError(f"amounts in {currency} and {name} do not compare", f.at)
                currency = name
        return currency

    def _passes(self, thing: Resolved, f: syntax.Filter) -> Passes:
        name = _bare(thing, f)
        field = thing.fact.fields.get(name)
        if field is None:
            raise RuleError(f"{thing.name} has no {name}{did_you_mean(name, thing.fact.fields)}", f.at)
        values: list[str | float] = []
        for literal in f.values:
            if not isinstance(literal, _LITERALS[field.type]):
                raise RuleError(f"{thing.name}.{name} is {field.type.value}", literal.at)
            values.append(literal.value if isinstance(literal, syntax.Text) else _number(literal))
        if field.type is Type.TEXT and f.op not in ("=", "!=", "in"):
            raise RuleError(f"texts are equal or not: {f.op} does not order them", f.at)
        return Passes(field, f.op, tuple(values))

    # -- memory -----------------------------------------------------------------------------------

    def _track(self, stream: Stream, keeps: Keeps, window: int, node: syntax.Call) -> Track:
        # Different values are kept for one window each: a longer one would push those of a shorter one out.
        name = stream.text if keeps is not Keeps.DIFFERENT else f"{stream.text} {window}"
        track = self.tracks.setdefault((name, keeps), Track(stream, keeps))
        track.sums |= node.function in ("sum", "mean")
        track.extremes |= node.function in ("min", "max")
        self._extend(track, window, node)
        return track

    def _extend(self, track: Track, window: int, node: syntax.Node) -> None:
        if window and track.keeps is not Keeps.LATEST:
            track.windows.add(window)
        track.settle()
        self.horizon = max(self.horizon, window)
        if (size := sum(t.largest for t in self.tracks.values())) > MOST_BYTES:
            detail = f"up to here the rule may take {size:,} bytes of a customer's memory; {MOST_BYTES:,} are the limit"
            raise RuleError(f"{detail}: fewer windows, or two rules", node.at)


_LITERALS: dict[Type, type | tuple[type, ...]] = {
    Type.TEXT: syntax.Text,
    Type.NUMBER: syntax.Number,
    Type.MONEY: (syntax.Money, syntax.Number),
}


def _number(literal: syntax.Literal) -> float:
    assert isinstance(literal, syntax.Number | syntax.Money)
    return float(literal.value if isinstance(literal, syntax.Number) else literal.amount)


def _bare(thing: Resolved, f: syntax.Filter) -> str:
    """`order.channel` in a filter of order is `channel`."""
    return f.field.removeprefix(f"{thing.name}.")


def _named(thing: Resolved, f: syntax.Filter) -> list[str]:
    """The currencies that a filter lets pass, where it says so."""
    codes = _bare(thing, f) == "currency" and f.op != "!="
    texts = [v.value for v in f.values if codes and isinstance(v, syntax.Text)]
    return texts + [v.currency for v in f.values if isinstance(v, syntax.Money)]


def _such(name: str, fields: dict[str, Field], *, numbers: bool) -> str:
    found = [f"{name}.{field}" for field, spec in fields.items() if (spec.type is not Type.TEXT) == numbers]
    return f": {' or '.join(found)}" if found else f", and {name} has none: count them"


def _label(node: syntax.Call, thing: Resolved) -> str:
    """`spend`, `mean order`, `visits (kind = "page")`."""
    where = thing_text(node.thing).partition(" where ")[2]
    return _plain(node.function, thing) + (f" ({where})" if where else "")


def _plain(function: str, thing: Resolved) -> str:
    if thing.field is None:
        return thing.fact.many
    if function == "sum":
        return thing.field.label
    if function == "distinct":
        return f"different {thing.field.label or f'{thing.field_name}s'}"
    word = {"mean": "mean", "min": "least", "max": "largest", "last": "latest"}[function]
    one = FACTS[thing.name].one
    return f"{word} {one}" if thing.field_name == "total" else f"{word} {thing.field_name} of an {one}"


def days(seconds: int) -> str:
    """`400d`, as rules write it."""
    return duration_text(syntax.Duration(seconds))
