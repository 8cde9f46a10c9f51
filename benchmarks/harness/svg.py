"""Plots as SVG, without a library: one would bring fifty megabytes for two kinds of pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
_STYLE = "font-family:sans-serif;font-size:12px"
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


@dataclass(frozen=True)
class Bar:
    """A ratio with its interval."""

    label: str
    value: float
    low: float
    high: float
    is_good: bool | None


def duration(nanoseconds: float) -> str:
    """A time for people, with three digits."""
    for unit, name in _UNITS:
        if abs(nanoseconds) >= unit:
            return f"{nanoseconds / unit:.3g} {name}"
    return f"{nanoseconds:.2g} ns"


def bars(title: str, entries: Sequence[Bar], limit: float) -> str:
    """Ratios below each other, with a line at 1 and one at the limit."""
    left, top, height = 190, 40, 24
    end = max(2.0, *(min(entry.high, 4.0) for entry in entries)) if entries else 2.0
    scale = (WIDTH - left - 60) / end
    bottom = top + height * len(entries)
    parts = [_text(10, 22, title, weight="bold")]
    for value, colour in ((1.0, "#333"), (limit, "#d62728")):
        parts.append(_line(left + value * scale, top - 6, left + value * scale, bottom, colour, dashed=True))
    parts.append(_text(left + limit * scale + 4, bottom + 14, f"limit {limit:g}", colour="#d62728"))
    for row, entry in enumerate(entries):
        y = top + row * height
        colour = {True: "#2ca02c", False: "#d62728", None: "#7f7f7f"}[entry.is_good]
        length = min(entry.value, end) * scale
        parts.append(_text(left - 8, y + 15, entry.label, anchor="end"))
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="14" fill="{colour}" opacity="0.75"/>')
        low, high = (left + min(bound, end) * scale for bound in (entry.low, entry.high))
        parts.append(_line(low, y + 10, high, y + 10, "#000"))
        parts.append(_text(max(left + length, high) + 5, y + 15, f"{entry.value:.2f}"))
    return _picture(bottom + 26, parts)


def curves(title: str, series: Mapping[str, Mapping[int, float]]) -> str:
    """Times against sizes, both on logarithmic scales. Times are nanoseconds."""
    left, top, right, height = 80, 40, 170, 300
    sizes = sorted({size for points in series.values() for size in points})
    times = [time for points in series.values() for time in points.values()]
    low, high = (bound(map(math.log10, times)) for bound in (min, max))
    low, high = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size: int) -> float:
        return left + (math.log10(size) - first) / ((last - first) or 1) * (WIDTH - left - right)

    def y(time: float) -> float:
        return top + height - (math.log10(time) - low) / (high - low) * height

    parts = [_text(10, 22, title, weight="bold")]
    for power in range(low, high + 1):
        parts += [
            _line(left, y(10**power), WIDTH - right, y(10**power), "#ddd"),
            _text(left - 6, y(10**power) + 4, duration(10**power), anchor="end"),
        ]
    for size in sizes:
        parts.append(_line(x(size), top, x(size), top + height, "#eee"))
        parts.append(_text(x(size), top + height + 16, f"{size:,}", anchor="middle"))
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(size):.1f},{y(time):.1f}" for size, time in sorted(points.items()))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(s):.1f}" cy="{y(t):.1f}" r="3" fill="{colour}"/>' for s, t in points.items()]
        parts.append(_text(WIDTH - right + 10, top + 12 + 18 * number, name, colour=colour))
    return _picture(top + height + 30, parts)


def _picture(height: float, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" style="{_STYLE}">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#000") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes}/>'
