"""Records and documents of benchmarks that nobody measured."""

from bench import (
    harness,
)


def document(bench="engine", records=(), **changes):
    return {
        "schema": harness.SCHEMA,
        "bench": bench,
        "question": "How fast?",
        "command": "python -m pytest bench/bench_engine.py",
        "date": "2026-01-31T12:00:00+00:00",
        "commit": "0123456789",
        "scale": "full",
        "machine": {"cpu": "C", "cores": 2, "memory_gb": 24.0, "system": "Linux", "python": "3.12.1"},
        "versions": {"numba": "0.61.0"},
        "load": [0.1, 0.2],
        "notes": ["a remark"],
        "records": list(records),
        **changes,
    }


def ratio(name, *samples, guarded=True):
    return harness.make_record(name, samples, "ratio", guard=guarded)
