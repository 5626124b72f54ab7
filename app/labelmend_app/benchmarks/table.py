"""Tables as Markdown, as `BENCHMARKS.md` shows them."""

from collections.abc import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    Example:
        >>> print(markdown(["loss", "mAP"], [["bce", "0.61"]]))
        | loss | mAP |
        |---|---|
        | bce | 0.61 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "|" + "|".join(line) + "|" if line[0] == "---" else "| " + " | ".join(line) + " |" for line in lines
    )
