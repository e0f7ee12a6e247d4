# Two commands to start with: `make demo` and `make test`. Both make their own virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test lint types docs lock lowest wheel pure-wheel sdist try-wheel pythons clean

help:
	@echo "make demo    install (about a minute), then backtest and sweep real prices"
	@echo "make test    install, then run the whole test suite (about ten minutes)"
	@echo "make docs    the pages as a site, in build/site"
	@echo "make lint types    ruff and mypy"
	@echo "make lowest  the test suite with the lowest supported versions"
	@echo "make wheel pure-wheel sdist    what is published, in dist"
	@echo "make try-wheel pythons    the wheel in empty environments: this Python, every Python found (RELEASING.md)"
	@echo "make bench bench-overhead bench-peers bench-check    see bench/README.md"

# constraints.txt holds the versions that CI tests; users get the ranges of pyproject.toml.
$(STAMP): pyproject.toml constraints.txt
	@echo "installing peak_fast with all extras and the tools of its tests into $(VENV): about a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@echo "installed; kernels compile at the first run and are kept"
	@touch $@

# What the demo did not need is compiled behind it, so that no later first run has to wait; each kernel says when it is done.
demo: $(STAMP)
	$(BIN)/peak-fast demo
	@echo "compiling the other kernels, once (a minute; can be stopped)"
	$(BIN)/peak-fast warmup

# Files of tests are shared out among so many processes (tests/README.md); 0: this one alone.
WORKERS ?= 2
test: $(STAMP)
	@echo "about 10,000 tests: 10 minutes on two quiet cores"
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

lock: $(STAMP)
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python scripts/make_site.py

# Oldest versions of the runtime dependencies that the ranges allow, without the optional packages.
lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade pip
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable . pytest hypothesis
	.venv-lowest/bin/python -m pytest tests/test_engine.py tests/test_kernel_oracle.py tests/test_data.py

# What is published. `build` and its backend are of the environment: their versions stand in constraints.txt.
# On Linux on x86-64 the wheel carries machine code (scripts/machine_code.py), which takes a minute to compile.
wheel: $(STAMP)
	rm -f dist/*.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

# The one for all other platforms.
pure-wheel: $(STAMP)
	PEAK_FAST_PURE_WHEEL=1 $(BIN)/python -m build --wheel --no-isolation --outdir dist/pure .

sdist: $(STAMP)
	rm -f dist/*.tar.gz
	$(BIN)/python -m build --sdist --no-isolation --outdir dist .

# The wheel in an empty environment outside the checkout: ten lines, its machine code, `peak-fast doctor`, some tests.
TRIED_TESTS ?= tests/test_result.py tests/test_levels.py
try-wheel: wheel
	$(BIN)/python scripts/try_wheel.py --python $(PYTHON) --constraint constraints.txt --tests $(TRIED_TESTS)

# The same with every Python that is promised and found on this machine (or PYTHONS="3.13"), and the tests that open databases.
pythons: wheel
	$(BIN)/python scripts/try_wheel.py --pythons $(PYTHONS)

clean:
	rm -rf $(VENV) .venv-lowest dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

BENCH_PYTHON = $(BIN)/python
bench bench-overhead bench-peers bench-check bench-report: $(STAMP)
-include bench/targets.mk
