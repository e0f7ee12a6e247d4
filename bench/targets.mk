# Benchmarks: `include bench/targets.mk` in the Makefile.  PYTHON: the interpreter of the virtual environment.
# `bench` leaves the environment's benches in bench/results/*.json and writes docs/BENCHMARKS.md from them.
BENCH_PYTHON ?= $(or $(PYTHON),python3)
BENCH_PYTEST = $(BENCH_PYTHON) -m pytest --benchmark-disable-gc

.PHONY: bench bench-overhead bench-peers bench-check bench-report

bench:
	$(BENCH_PYTEST) bench/bench_engine.py bench/bench_sweep.py bench/bench_growth.py bench/bench_startup.py \
		bench/bench_overhead.py bench/bench_properties.py bench/bench_check.py
	$(BENCH_PYTHON) -m bench.bench_peers
	$(BENCH_PYTHON) -m bench.report

bench-overhead:
	$(BENCH_PYTEST) bench/bench_overhead.py
	$(BENCH_PYTHON) -m bench.report

bench-peers:
	$(BENCH_PYTHON) -m bench.bench_peers
	$(BENCH_PYTHON) -m bench.report

bench-check:
	$(BENCH_PYTEST) bench/bench_check.py
	$(BENCH_PYTHON) -m bench.guard

bench-report:
	$(BENCH_PYTHON) -m bench.report
