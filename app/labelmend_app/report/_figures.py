"""Line charts as SVG text: colours come from the page's style, so that they hold on white, on black and on paper."""

from collections.abc import Mapping, Sequence
from math import floor, isfinite, log10

from markupsafe import Markup

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 14, 44
_TICKS = 4
_COLOURS = 5  # that the style of the page knows


def line_chart(
    title: str, x_title: str, y_title: str, xs: Sequence[float], lines: Mapping[str, Sequence[float]]
) -> Markup:
    """Return a chart as an `svg` element with a title for screen readers, empty where no point can be drawn.

    Args:
        title: what it shows, read out and shown above.
        x_title, y_title: of the axes, with units.
        xs: (M,), rising.
        lines: of each name, (M,) values; those that are no number leave a gap.

    Example:
        >>> "polyline" in line_chart("Loss", "epoch", "loss", [1, 2], {"loss": [2.0, 1.0]})
        True
    """
    drawn = {name: ys for name, ys in lines.items() if any(map(isfinite, ys))}
    if not drawn:
        return Markup("")
    step = round_step(max(y for ys in drawn.values() for y in ys if isfinite(y)) / _TICKS)
    highest = step * _TICKS
    first, last = xs[0], max(xs[-1], xs[0] + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)
        return _LEFT + across, _HEIGHT - _BOTTOM - y / highest * (_HEIGHT - _TOP - _BOTTOM)

    parts = [Markup('<title>{}</title><g class="grid">').format(title)]
    for tick in range(_TICKS + 1):
        y = step * tick
        at = place(first, y)[1]
        parts.append(Markup('<path d="M{} {:.1f}H{}"/>').format(_LEFT, at, _WIDTH - _RIGHT))
        parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:.3g}</text>').format(_LEFT - 6, at + 4, y))
    for x in sorted({first, xs[len(xs) // 2], xs[-1]}):
        where = place(x, 0)
        parts.append(
            Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{:g}</text>').format(where[0], where[1] + 16, x)
        )
    parts += [_axis_titles(x_title, y_title), Markup("</g>")]
    for number, ys in enumerate(drawn.values()):
        parts += _line([place(x, y) if isfinite(y) else None for x, y in zip(xs, ys, strict=True)], number)
    return Markup('<svg viewBox="0 0 {} {}" role="img">{}</svg>').format(_WIDTH, _HEIGHT, Markup("").join(parts))


def round_step(least: float) -> float:
    """Return the smallest of 1, 2, 2.5 and 5 times a power of ten that is at least so large, 1 for nothing.

    Example:
        >>> round_step(0.1018), round_step(7), round_step(0)
        (0.2, 10.0, 1.0)
    """
    if least <= 0:
        return 1.0
    power = 10.0 ** floor(log10(least))
    return float(next(step for step in (1, 2, 2.5, 5, 10) if step * power >= least * (1 - 1e-9)) * power)


def _axis_titles(x_title: str, y_title: str) -> Markup:
    middle = _TOP + (_HEIGHT - _TOP - _BOTTOM) / 2
    return Markup(
        '<text x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{}</text>'
    ).format(_LEFT + (_WIDTH - _LEFT - _RIGHT) / 2, _HEIGHT - 8, x_title, y_title, middle=middle)


def _line(points: list[tuple[float, float] | None], number: int) -> list[Markup]:
    """Return a line, broken where there is no point, with a dot at each."""
    colour = f"series{number % _COLOURS}"
    parts: list[Markup] = []
    stretch: list[tuple[float, float]] = []
    for point in [*points, None]:
        if point is not None:
            stretch.append(point)
        elif stretch:
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in stretch)
            parts.append(Markup('<polyline class="{}" points="{}"/>').format(colour, corners))
            stretch = []
    for x, y in filter(None, points):
        parts.append(Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(colour, x, y))
    return parts
