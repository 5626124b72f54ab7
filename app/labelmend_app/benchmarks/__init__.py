"""Benchmarks: one file a `labelmend bench` command; each returns the figures that its table shows."""
