# Two commands are promised: `make demo` and `make test`. Each makes .venv and installs by itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test postgres chromium soak fuzz lint secrets licences install lock clean
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
	@echo; echo "To look at, without a network:"
	$(BIN)/clari-pipeline board --sandbox
	@echo
	@echo "See it in Dagster:    DAGSTER_HOME=\$$PWD/dagster_home $(BIN)/dagster dev -w workspace.yaml    then http://127.0.0.1:3000"
	@echo "Query the warehouse:  $(BIN)/python -c \"import duckdb; duckdb.connect('data/sandbox/warehouse-read.duckdb', read_only=True).sql('from clari.forecast_vs_quota').show()\""
	@echo "Then with your own:   cp .env.example .env, fill in its first two lines, $(BIN)/clari-pipeline sync"

lint: install secrets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry clari_pipeline

# Whether a secret was ever committed: what is in the history stays there, whatever is deleted later.
secrets: install
	@if [ -e .git ]; then $(BIN)/python -m tests.repository.history_secrets; \
	else echo "secrets: there is no git history here"; fi

# What everything that is installed is licensed under.
licences: install
	@$(BIN)/pip-licenses --from=mixed --order=license

test: lint postgres chromium
	$(BIN)/pytest

# Debian's PostgreSQL, whose programs the tests start by themselves, where there is none and CLARI_TEST_POSTGRES names
# no other. Without it those tests are skipped.
POSTGRES := /usr/lib/postgresql
postgres:
	@if [ -n "$$CLARI_TEST_POSTGRES" ] || command -v initdb || ls $(POSTGRES)/*/bin/initdb; then exit 0; fi >/dev/null 2>&1; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
	if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
		echo "installing PostgreSQL for the tests"; \
		$$as_root mkdir -p /etc/postgresql-common; \
		[ -e /etc/postgresql-common/createcluster.conf ] || \
			echo "create_main_cluster = false" | $$as_root tee /etc/postgresql-common/createcluster.conf >/dev/null; \
		$$as_root apt-get -qq update && \
			$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends postgresql >/dev/null && \
			exit 0; \
	fi; \
	echo "PostgreSQL could not be installed: its tests are skipped. Install it, or name a server: CLARI_TEST_POSTGRES=postgresql://..." >&2

# Debian's Chromium, which opens the board in the tests, where there is none and CLARI_TEST_CHROMIUM names no other.
chromium:
	@if [ -n "$$CLARI_TEST_CHROMIUM" ] || command -v chromium; then exit 0; fi >/dev/null 2>&1; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
	if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
		echo "installing Chromium for the tests"; \
		$$as_root apt-get -qq update && \
			$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null && \
			exit 0; \
	fi; \
	echo "Chromium could not be installed: the board's tests are skipped. Install it, or name one: CLARI_TEST_CHROMIUM=..." >&2

# The long forms: many more examples of the same properties.
soak: install
	$(BIN)/pytest -m soak

# The document reader against a simple one, on documents that a fuzzer makes up: make fuzz SECONDS=600 for longer.
SECONDS ?= 60
fuzz: install
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	nice $(BIN)/python -m tests.soak.fuzz_reader -max_total_time=$(SECONDS)

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
