"""The picture that stands where an image cannot be shown."""

import textwrap
from xml.sax.saxutils import escape

from starlette.responses import Response

_FONT = 15
_LINES = 8


def placeholder(reason: str, side: int) -> Response:
    """Return an SVG of `side` pixels that says why, with status 404; the reason is text and nothing else."""
    printable = "".join(character if character.isprintable() else " " for character in reason)
    lines = textwrap.wrap(printable, width=max(12, side * 2 // _FONT), max_lines=_LINES, placeholder=" …")
    spans = "".join(f'<tspan x="50%" dy="1.3em">{escape(line)}</tspan>' for line in lines)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}">'
        '<rect width="100%" height="100%" fill="#8883"/>'
        f'<text y="{side // 2 - _FONT * len(lines) * 13 // 20}" text-anchor="middle" fill="#7a7a7a" '
        f'font-family="sans-serif" font-size="{_FONT}">{spans}</text></svg>'
    )
    # Opened as a page of its own it may run and load nothing.
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(svg, status_code=404, media_type="image/svg+xml", headers=headers)
