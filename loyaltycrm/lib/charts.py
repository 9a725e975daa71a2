"""The geometry of the charts: numbers in, coordinates out; templates in `components/charts/` draw them.

Coordinates are texts with a point, since a template would write a number 12.5 as 12,5 in Latvian and Russian.
Why so, and not a chart library: docs/adr/0005-charts.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import sqrt

from loyaltycrm.lib import formats

MAX_BUBBLES = 144


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line without axes: `points` for a polyline, and where its last point lies."""

    width: int
    height: int
    points: str
    last_x: str
    last_y: str


def sparkline(values: Sequence[float], *, width: int = 120, height: int = 32, margin: int = 4) -> Sparkline | None:
    """The course of `values`, oldest first, scaled to its own smallest and largest; None for fewer than two.

    Leave the unfinished day out: a last point that is still growing looks like a fall.
    """
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    step = (width - 2 * margin) / (len(values) - 1)
    spread = high - low

    def height_of(value: float) -> float:
        share = (value - low) / spread if spread else 0.5
        return height - margin - share * (height - 2 * margin)

    places = [(margin + index * step, height_of(value)) for index, value in enumerate(values)]
    return Sparkline(
        width,
        height,
        " ".join(f"{_at(x)},{_at(y)}" for x, y in places),
        _at(places[-1][0]),
        _at(places[-1][1]),
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One upright bar; `label` stands below it, `value` is what it says."""

    x: str
    y: str
    width: str
    height: str
    middle: str
    label: str
    value: str
    unfinished: bool


@dataclass(frozen=True, slots=True)
class Bars:
    width: int
    height: int
    baseline: str
    bars: tuple[Bar, ...]


def bars(
    values: Sequence[float],
    labels: Sequence[str],
    shown: Sequence[str],
    *,
    width: int = 560,
    height: int = 180,
    unfinished_last: bool = False,
) -> Bars:
    """Upright bars from zero. `labels` and `shown` are the words below and above each bar.

    Raises `ValueError` where the three differ in length or a value is negative.
    """
    if not len(values) == len(labels) == len(shown):
        raise ValueError("Every bar needs a value, a label and its words.")
    if any(value < 0 for value in values):
        raise ValueError("Upright bars show amounts of zero or more.")
    top, bottom = 20, 22
    room = height - top - bottom
    high = max(values, default=0) or 1
    slot = width / max(len(values), 1)
    thick = min(slot * 0.7, 44)
    drawn = []
    for index, value in enumerate(values):
        tall = value / high * room
        left = index * slot + (slot - thick) / 2
        drawn.append(
            Bar(
                x=_at(left),
                y=_at(height - bottom - tall),
                width=_at(thick),
                height=_at(tall),
                middle=_at(left + thick / 2),
                label=labels[index],
                value=shown[index],
                unfinished=unfinished_last and index == len(values) - 1,
            )
        )
    return Bars(width, height, _at(height - bottom), tuple(drawn))


@dataclass(frozen=True, slots=True)
class Bubble:
    """Customers who share a bin; its area is in proportion to their `count`."""

    x: str
    y: str
    radius: str
    group: str
    count: int


@dataclass(frozen=True, slots=True)
class Bubbles:
    """The plane of the two facts: right of `split_x` is regular, above `split_y` is loyal."""

    width: int
    height: int
    split_x: str
    split_y: str
    right_width: str
    lower_height: str
    bubbles: tuple[Bubble, ...]
    counts: dict[str, int]


def group_bubbles(
    counts: Mapping[tuple[int, int], int],
    *,
    columns: int = 12,
    rows: int = 10,
    regular_from: int,
    loyal_from: int,
    width: int = 480,
    height: int = 320,
) -> Bubbles:
    """Customers by (column, row), both from 0: columns grow with regularity, rows with attachment.

    `regular_from` and `loyal_from` are the first column and row on the far side of each threshold. Raises
    `ValueError` for more than 144 bins, or a bin outside them.
    """
    if columns * rows > MAX_BUBBLES:
        raise ValueError(f"At most {MAX_BUBBLES} bins can be told apart.")
    if any(not (0 <= column < columns and 0 <= row < rows) for column, row in counts):
        raise ValueError("A bin lies outside the plane.")
    wide, tall = width / columns, height / rows
    largest = max(counts.values(), default=0) or 1
    full = min(wide, tall) / 2 - 1
    totals = {"regular_loyal": 0, "regular": 0, "loyal": 0, "neither": 0}
    drawn = []
    for (column, row), count in sorted(counts.items()):
        if count <= 0:
            continue
        group = _group(regular=column >= regular_from, loyal=row >= loyal_from)
        totals[group] += count
        drawn.append(
            Bubble(
                x=_at((column + 0.5) * wide),
                y=_at(height - (row + 0.5) * tall),
                radius=_at(max(full * sqrt(count / largest), 1.5)),
                group=group,
                count=count,
            )
        )
    split_x, split_y = regular_from * wide, height - loyal_from * tall
    return Bubbles(
        width, height, _at(split_x), _at(split_y), _at(width - split_x), _at(height - split_y), tuple(drawn), totals
    )


@dataclass(frozen=True, slots=True)
class StripVisit:
    x: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class StripMonth:
    x: str
    label: str


@dataclass(frozen=True, slots=True)
class VisitsStrip:
    """One bar a visit over a span of days; `gap_x` and `gap_days` tell of the longest absence, if one stands out."""

    width: int
    height: int
    baseline: str
    visits: tuple[StripVisit, ...]
    months: tuple[StripMonth, ...]
    gap_x: str
    gap_days: int


def visits_strip(
    visits: Sequence[tuple[date, int]], *, first: date, last: date, width: int = 560, height: int = 96
) -> VisitsStrip:
    """Visits as (day, cents) between `first` and `last`, both included; taller is a bigger basket.

    The longest absence between two visits is named when it is at least 14 days and twice the median gap.
    """
    top, bottom = 22, 20
    room = height - top - bottom
    days = max((last - first).days, 1)
    inside = sorted((day, cents) for day, cents in visits if first <= day <= last)
    largest = max((cents for _day, cents in inside), default=0) or 1

    def place(day: date) -> float:
        return 4 + (day - first).days / days * (width - 8)

    drawn = []
    for day, cents in inside:
        tall = max(cents / largest * room, 4)
        drawn.append(StripVisit(_at(place(day)), _at(height - bottom - tall), _at(tall)))
    gap_days, gap_middle = _longest_absence([day for day, _cents in inside])
    return VisitsStrip(
        width,
        height,
        _at(height - bottom),
        tuple(drawn),
        tuple(StripMonth(_at(place(start)), formats.short_month(start.month)) for start in _month_starts(first, last)),
        _at(min(max(place(gap_middle), 60), width - 60)) if gap_middle else "",
        gap_days,
    )


@dataclass(frozen=True, slots=True)
class PathDot:
    """Where somebody stood among the four groups; the last of a path is where they stand now."""

    x: str
    y: str
    group: str


@dataclass(frozen=True, slots=True)
class GroupPath:
    """A way through the four groups: `cells` as (x, y, group), `dots` from the oldest on, `line` through them."""

    size: int
    cell: int
    cells: tuple[tuple[int, int, str], ...]
    dots: tuple[PathDot, ...]

    @property
    def line(self) -> str:
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


def group_path(places: Sequence[tuple[bool, bool, float, float]], *, cell: int = 44, gap: int = 4) -> GroupPath:
    """Places as (regular, loyal, across, up), the oldest first; right is regular, up is loyal.

    `across` and `up` say where in the cell of its group a place is, each from 0 to 1; beyond that it is at the edge.
    """
    margin = 8
    room = cell - 2 * margin
    starts = {True: cell + gap, False: 0}
    dots = []
    for regular, loyal, across, up in places:
        x = starts[regular] + margin + min(max(across, 0.0), 1.0) * room
        y = starts[not loyal] + cell - margin - min(max(up, 0.0), 1.0) * room
        dots.append(PathDot(_at(x), _at(y), _group(regular=regular, loyal=loyal)))
    cells = tuple(
        (starts[regular], starts[not loyal], _group(regular=regular, loyal=loyal))
        for loyal in (True, False)
        for regular in (False, True)
    )
    return GroupPath(2 * cell + gap, cell, cells, tuple(dots))


def _group(*, regular: bool, loyal: bool) -> str:
    if regular:
        return "regular_loyal" if loyal else "regular"
    return "loyal" if loyal else "neither"


def _longest_absence(days: Sequence[date]) -> tuple[int, date | None]:
    gaps = [((later - earlier).days, earlier) for earlier, later in pairwise(days)]
    if not gaps:
        return 0, None
    longest, since = max(gaps)
    median = sorted(length for length, _since in gaps)[len(gaps) // 2]
    if longest < 14 or longest < 2 * median:
        return 0, None
    return longest, since + timedelta(days=longest // 2)


def _month_starts(first: date, last: date) -> list[date]:
    starts = []
    start = first.replace(day=1)
    while start <= last:
        if start >= first:
            starts.append(start)
        start = (start + timedelta(days=32)).replace(day=1)
    return starts


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference with its range as a line with a dot; `is_told` where the range leaves zero aside."""

    label: str
    value: str
    middle: str
    text_y: str
    line_y: str
    low: str
    high: str
    is_told: bool


@dataclass(frozen=True, slots=True)
class Intervals:
    width: int
    height: int
    zero: str
    rows: tuple[Interval, ...]


def intervals(
    rows: Sequence[tuple[str, str, float, float, float]], *, width: int = 720, row_height: int = 46
) -> Intervals:
    """Ranges one below the other on one scale with zero: (label, words, low, middle, high) of each.

    Raises `ValueError` where a middle lies outside its range.
    """
    if any(not low <= middle <= high for _label, _words, low, middle, high in rows):
        raise ValueError("A difference lies inside its range.")
    least = min((low for _label, _words, low, _middle, _high in rows), default=0.0)
    most = max((high for _label, _words, _low, _middle, high in rows), default=0.0)
    least, most = min(least, 0.0), max(most, 0.0)
    spread = (most - least) or 1.0

    def place(value: float) -> str:
        return _at(10 + (value - least) / spread * (width - 20))

    drawn = tuple(
        Interval(
            label=label,
            value=words,
            middle=place(middle),
            text_y=_at(index * row_height + 18),
            line_y=_at(index * row_height + 32),
            low=place(low),
            high=place(high),
            is_told=low > 0 or high < 0,
        )
        for index, (label, words, low, middle, high) in enumerate(rows)
    )
    return Intervals(width, max(len(rows), 1) * row_height + 6, place(0.0), drawn)
