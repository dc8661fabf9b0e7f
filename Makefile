# Two commands are promised: `make demo` and `make test`. Each makes .venv and installs by itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test soak fuzz lint install lock clean
.DEFAULT_GOAL := install

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clari-pipeline needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": name another with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

# The whole job against a Clari that runs on this machine: today's figures, then an export in which calls have moved.
demo: install
	$(BIN)/clari-pipeline sync --sandbox
	@echo; echo "The same company a moment later: some calls have moved."
	$(BIN)/clari-pipeline sync --sandbox --scenario swings
	@echo
	@echo "See it in Dagster:    DAGSTER_HOME=\$$PWD/dagster_home $(BIN)/dagster dev -w workspace.yaml    then http://127.0.0.1:3000"
	@echo "Query the warehouse:  $(BIN)/python -c \"import duckdb; duckdb.connect('data/sandbox/warehouse.duckdb', read_only=True).sql('from clari.forecast_vs_quota').show()\""
	@echo "Then with your own:   cp .env.example .env, fill in its first two lines, $(BIN)/clari-pipeline sync"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest

# The long forms: many more examples of the same properties.
soak: install
	$(BIN)/pytest -m soak

# The document reader against a simple one, on documents that a fuzzer makes up: make fuzz SECONDS=600 for longer.
SECONDS ?= 60
fuzz: install
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	nice $(BIN)/python -m tests.documents.fuzz_reader -max_total_time=$(SECONDS)

# What it all costs, beside the bare work and beside dlt; make bench SIZES=10000,100000 BENCH_REPEATS=1 for less of it.
bench: .venv/bench-installed
	$(BIN)/python -m tests.benchmarks $(if $(SIZES),--sizes $(SIZES)) $(if $(BENCH_REPEATS),--repeats $(BENCH_REPEATS))

.venv/bench-installed: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $@

# Newest versions that pyproject.toml admits, pinned by number alone.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check '.[dev]' hatchling editables
	.venv-lock/bin/pip freeze --exclude clari-pipeline > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
