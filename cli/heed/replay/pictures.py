"""Small pictures as inline SVG, 360 units wide: readable on a telephone, and side by side on a wide screen."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

WIDTH, HEIGHT = 360, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 10, 12, 24


@dataclass(frozen=True)
class Series:
    """One line: a value per place on the x axis (None: a gap), and how it is drawn (a class of the style sheet)."""

    values: Sequence[float | None]
    style: str
    dots: bool = False


def lines(labels: Sequence[str], series: Sequence[Series], say: str, *, level: float | None = None) -> Markup:
    """Lines over the labels; `level` draws one dashed line across, `say` is what the picture tells in words."""
    known = [v for s in series for v in s.values if v is not None] + ([] if level is None else [level])
    low, high, ticks = _scale(min(known, default=0.0), max(known, default=1.0))
    x, y = _along(len(labels)), _upward(low, high)
    parts = [*_grid(ticks, y), *_labels(labels, x)]
    if level is not None:
        parts.append(_line(_LEFT, y(level), WIDTH - _RIGHT, y(level), "level"))
    for one in series:
        parts += _dots(labels, one, x, y) if one.dots else [_path(one, x, y)]
    return _svg(parts, say)


def bars(labels: Sequence[str], values: Sequence[float], say: str, style: str = "bar") -> Markup:
    """One bar for each label, from zero up."""
    _, high, ticks = _scale(0.0, max(values, default=1.0) or 1.0)
    y = _upward(0.0, high)
    room = (WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    width = max(1.0, min(24.0, room * 0.72))

    def x(i: int) -> float:
        return _LEFT + room * (i + 0.5)

    rects = (
        f'<rect class="{style}" x="{x(i) - width / 2:.1f}" y="{y(v):.1f}" width="{width:.1f}" '
        f'height="{y(0.0) - y(v):.1f}" rx="{min(2.0, width / 3):.1f}">{_title(f"{label}: {_number(v)}")}</rect>'
        for i, (label, v) in enumerate(zip(labels, values, strict=True))
    )
    return _svg([*_grid(ticks, y), *rects, *_labels(labels, x)], say)


def reliability(bins: Sequence[dict[str, float]], say: str) -> Markup:
    """What was predicted against what came: on the diagonal they agree; a dot's area is its number of rows."""
    x, y = _across(0.0, 1.0), _upward(0.0, 1.0)
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    names = (f'<text class="x" x="{x(t):.1f}" y="{HEIGHT - 7}">{t:.0%}</text>' for t in ticks)
    most = max((b["count"] for b in bins), default=1)
    dots = (
        _circle(
            x(b["predicted"]),
            y(b["observed"]),
            3 + 6 * math.sqrt(b["count"] / most),
            "dot",
            f"predicted {b['predicted']:.1%}, came {b['observed']:.1%}, {b['count']:,} rows",
        )
        for b in bins
    )
    line = " ".join(f"{x(b['predicted']):.1f},{y(b['observed']):.1f}" for b in bins)
    grid = _grid(ticks, y, "{:.0%}")
    diagonal = _line(x(0), y(0), x(1), y(1), "level")
    return _svg([*grid, diagonal, f'<polyline class="line" points="{line}"/>', *dots, *names], say)


def rhythm(orders: Sequence[tuple[datetime, float]], until: datetime, say: str, *, good: bool) -> Markup:
    """A customer's recent orders as stems in time, and the moment of the alert at the right edge."""
    height, base, top = 64, 48.0, 10.0
    start = orders[0][0] if orders else until
    span = max((until - start).total_seconds(), 1.0)
    most = max((total for _, total in orders), default=0.0) or 1.0

    def x(at: datetime) -> float:
        return 8 + (WIDTH - 16) * min(1.0, max(0.0, (at - start).total_seconds() / span))

    parts = [_line(8, base, WIDTH - 8, base, "base")]
    for at, total in orders:
        peak = base - (base - top) * (0.15 + 0.85 * total / most)
        last = at >= until
        style = ("good" if good else "bad") if last else "stem"
        parts += [
            _line(x(at), base, x(at), peak, style),
            _circle(x(at), peak, 3.5, style, f"{at:%Y-%m-%d}: {total:,.2f}"),
        ]
    if not orders or orders[-1][0] < until:
        parts.append(_line(x(until), top, x(until), base, "now"))
        if orders:
            parts.append(_line(x(orders[-1][0]), base, x(until), base, "good" if good else "bad"))
    ends = f'<text x="8" y="61">{start:%d %b %Y}</text><text class="end" x="{WIDTH - 8}" y="61">{until:%d %b %Y}</text>'
    return _svg([*parts, ends], say, height=height)


def _svg(parts: Iterable[str], say: str, height: int = HEIGHT) -> Markup:
    body = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(say)}">{body}</svg>')  # noqa: S704 - every text in it is escaped


def _along(count: int) -> Callable[[int], float]:
    room = WIDTH - _LEFT - _RIGHT
    return lambda i: _LEFT + (room * i / (count - 1) if count > 1 else room / 2)


def _across(low: float, high: float) -> Callable[[float], float]:
    return lambda v: _LEFT + (WIDTH - _LEFT - _RIGHT) * (v - low) / (high - low)


def _upward(low: float, high: float) -> Callable[[float], float]:
    return lambda v: HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (v - low) / (high - low)


def _scale(low: float, high: float) -> tuple[float, float, list[float]]:
    """Round numbers from below `low` to above `high`, four steps or so."""
    if high - low < 1e-9:
        low, high = low - 0.05 * max(1.0, abs(low)), high + 0.05 * max(1.0, abs(high))
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [i * step for i in range(first, last + 1)]


def _grid(ticks: Sequence[float], y: Callable[[float], float], form: str = "") -> Iterable[str]:
    for tick in ticks:
        text = form.format(tick) if form else _number(tick)
        yield _line(_LEFT, y(tick), WIDTH - _RIGHT, y(tick), "grid")
        yield f'<text class="y" x="{_LEFT - 6}" y="{y(tick) + 4:.1f}">{text}</text>'


def _labels(labels: Sequence[str], x: Callable[[int], float]) -> Iterable[str]:
    """At most three of them."""
    few = min(3, len(labels))
    for k in range(few):
        i = round(k * (len(labels) - 1) / max(1, few - 1))
        anchor = "start" if k == 0 and few > 1 else "finish" if k == few - 1 and few > 1 else "x"
        at = _LEFT if anchor == "start" else WIDTH - _RIGHT if anchor == "finish" else x(i)
        yield f'<text class="{anchor}" x="{at:.1f}" y="{HEIGHT - 7}">{escape(labels[i])}</text>'


def _path(one: Series, x: Callable[[int], float], y: Callable[[float], float]) -> str:
    points, gap = [], True
    for i, value in enumerate(one.values):
        if value is not None:
            points.append(f"{'M' if gap else 'L'}{x(i):.1f} {y(value):.1f}")
        gap = value is None
    return f'<path class="{one.style}" d="{"".join(points)}"/>'


def _dots(labels: Sequence[str], one: Series, x: Callable[[int], float], y: Callable[[float], float]) -> list[str]:
    return [
        _circle(x(i), y(v), 2.5, one.style, f"{labels[i]}: {v:.4f}") for i, v in enumerate(one.values) if v is not None
    ]


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _circle(x: float, y: float, r: float, style: str, title: str) -> str:
    return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}">{_title(title)}</circle>'


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value / 1000:,.4g}k"
    return f"{value:.4g}"
