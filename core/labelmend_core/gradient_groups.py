"""The groups of cells whose gradients a run records, by their names in `gradients.parquet`."""

# Of each, what it is called; their order is that of a recorder's bins, which a run that goes on has kept.
GROUP_WORDS = {
    "positive": "given",
    "unobserved": "unobserved",
    "absent": "verified absent",
    "flagged": "unobserved, p once above τ",
    "planted": "hidden present (truly missing)",
}
