"""Turns result files into ``docs/BENCHMARKS.md``, its figure, and the tables in the README files."""
