# Benchmarks: `include bench/targets.mk` in the Makefile.  BENCH_PYTHON: the interpreter of the environment.
# Results go to bench/results/*.json; docs/BENCHMARKS.md and the README tables are written from them.
BENCH_PYTHON ?= $(or $(PYTHON),python3)

.PHONY: bench bench-overhead bench-peers bench-check bench-report

bench:
	$(BENCH_PYTHON) -m bench

bench-overhead:
	$(BENCH_PYTHON) -m bench overhead

bench-peers:
	$(BENCH_PYTHON) -m bench peers

bench-check:
	$(BENCH_PYTHON) -m pytest bench/bench_check.py
	$(BENCH_PYTHON) -m bench.guard

bench-report:
	$(BENCH_PYTHON) -m bench.report
