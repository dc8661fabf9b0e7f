# Two commands are promised: `make demo` and `make test`. Each makes .venv and installs by itself.
PYTHON ?= python3
BIN := .venv/bin
UV := uv==0.13.9

.PHONY: demo test suite check house docs postgres chromium jemalloc soak fuzz lint types secrets licences install install-dev bench bench-suite lock clean
.DEFAULT_GOAL := install
MAKEFLAGS += --no-print-directory
# One installer at a time; what may run beside each other is run by a make of its own.
ifeq ($(MAKELEVEL),0)
.NOTPARALLEL:
endif
# What is compiled is kept, or every process that a demo or a test starts would compile a thousand modules anew.
unexport PYTHONDONTWRITEBYTECODE

# What running needs.
install: .venv/installed

# That, and what working on it needs.
install-dev: .venv/installed-dev

# What the demo needs, and no more.
.venv/installed-demo: pyproject.toml constraints.txt constraints-demo.txt | .venv/made
	@echo "Installing what the demo needs into .venv"
	@$(call add,--editable .,--override constraints-demo.txt)
	@[ -e .venv/installed ] || $(PIP) uninstall --yes uvloop setuptools uv >.venv/install.log 2>&1 || true
	@touch $@

.venv/installed: pyproject.toml constraints.txt | .venv/made
	@echo "Installing what running needs into .venv"
	@$(call add,--editable .)
	@touch $@ .venv/installed-demo

.venv/installed-dev: pyproject.toml constraints.txt | .venv/made
	@echo "Installing what running and testing need into .venv"
	@$(call add,--editable '.[deploy$(comma)postgres$(comma)snowflake]' --group dev)
	@touch $@ .venv/installed .venv/installed-demo

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clari-pipeline needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": name another with make PYTHON=python3.12")'
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@touch $@

# Installs into .venv, every version as constraints.txt pins it: with uv, or with pip where uv cannot be had or cannot
# reach what pip is set up for. The second argument is for uv alone.
comma := ,
PIP := $(BIN)/pip --disable-pip-version-check --quiet
define add
{ [ -x $(BIN)/uv ] || $(PIP) install '$(UV)' || true; \
$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt $(1) $(2) || \
{ $(PIP) install 'pip>=25.1' && $(PIP) install --constraint constraints.txt $(1); }; } >.venv/install.log 2>&1 || \
{ cat .venv/install.log >&2; exit 1; }
endef

# The whole job against a Clari that runs on this machine: today's figures, then an export in which calls have moved.
demo: .venv/installed-demo
	@echo; echo "First sync: five quarters of an invented company"
	@$(BIN)/clari-pipeline sync --sandbox
	@$(BIN)/clari-pipeline sandbox --screen data/sandbox/inbox/managers.csv >/dev/null
	@echo; echo "Second sync: the same company a moment later, some calls have moved"
	@$(BIN)/clari-pipeline sync --sandbox --scenario swings
	@echo; echo "A CSV that a manager exported from Clari's screen between the two, dropped into a folder"
	@$(BIN)/clari-pipeline replay --sandbox --inbox data/sandbox/inbox --forecast total_new
	@echo; echo "Today's newest week, without an export job and without the export quota"
	@$(BIN)/clari-pipeline sync --sandbox --current
	@echo; echo "Board: one page to look at, without a network"
	@$(BIN)/clari-pipeline board --sandbox
	@echo
	@echo "See it in Dagster:    DAGSTER_HOME=\$$PWD/dagster_home $(BIN)/dagster dev -w workspace.yaml    then http://127.0.0.1:3000"
	@echo "Query the warehouse:  $(BIN)/python -c \"import duckdb; duckdb.connect('data/sandbox/warehouse-read.duckdb', read_only=True).sql('from clari.forecast_vs_quota').show()\""
	@echo "Look around:          $(BIN)/clari-pipeline status --sandbox    likewise alerts list, as-of, preflight, quality"
	@echo "Then with your own:   cp .env.example .env, fill in its first two lines, $(BIN)/clari-pipeline sync"

lint: install-dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports >.venv/imports.log 2>&1 || { cat .venv/imports.log >&2; exit 1; }
	@$(BIN)/deptry clari_pipeline >.venv/deptry.log 2>&1 || { cat .venv/deptry.log >&2; exit 1; }

types: install-dev
	@$(BIN)/mypy

# Whether a secret was committed since the whole history was last looked at, as make soak does: what is in the history
# stays there, whatever is deleted later.
secrets: install-dev
	@if [ -e .git ]; then $(BIN)/python -m tests.repository.history_secrets; \
	else echo "secrets: there is no git history here"; fi

# What everything that is installed is licensed under.
licences: install-dev
	@$(BIN)/pip-licenses --from=mixed --order=license

# Everything but the long searches, or a part of it: make test T=tests/documents
ifeq ($(origin T),command line)
test: install-dev postgres chromium jemalloc
	@$(BIN)/pytest $(T)
else
test: install-dev postgres chromium jemalloc
	@$(MAKE) -j 4 lint types secrets suite
endif

suite: install-dev
	@$(BIN)/pytest

# The rooms of the package, how many lines there are, what is still to be done.
house: install-dev
	@$(BIN)/python -m tests.repository.house

# docs/tables.md, from what the tables say of themselves in the database.
docs: install-dev
	@$(BIN)/python -m tests.repository.tables_page

# The quick loop: lint, types, and the tests of the folders that `git diff` touches, or the fast half.
check: install-dev
	@$(MAKE) -j 2 lint types
	@touched=$$($(BIN)/python -m tests.helpers.touched) && $(BIN)/pytest $$touched

# What the tests use of Debian's, where it is not there yet: installed as root if this is root or may become it.
define debian
as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
	echo "installing $(1) for the tests"; $(2) \
	$$as_root apt-get -qq update && \
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(1) >/dev/null && \
		exit 0; \
fi; \
echo "$(1) could not be installed: $(3)" >&2
endef

# PostgreSQL, whose programs the tests start by themselves, unless CLARI_TEST_POSTGRES names a server.
POSTGRES := /usr/lib/postgresql
postgres:
	@if [ -n "$$CLARI_TEST_POSTGRES" ] || command -v initdb || ls $(POSTGRES)/*/bin/initdb; then exit 0; fi >/dev/null 2>&1; \
	$(call debian,postgresql,$(no_cluster),its tests are skipped. Install it$(comma) or name a server: CLARI_TEST_POSTGRES=postgresql://...)

# Debian makes a cluster of its own at once, which nobody needs.
define no_cluster
$$as_root mkdir -p /etc/postgresql-common; \
[ -e /etc/postgresql-common/createcluster.conf ] || \
	echo "create_main_cluster = false" | $$as_root tee /etc/postgresql-common/createcluster.conf >/dev/null;
endef

# Chromium, which opens the board in the tests, unless CLARI_TEST_CHROMIUM names one.
chromium:
	@if [ -n "$$CLARI_TEST_CHROMIUM" ] || command -v chromium; then exit 0; fi >/dev/null 2>&1; \
	$(call debian,chromium,,the board's tests are skipped. Install it$(comma) or name one: CLARI_TEST_CHROMIUM=...)

# The allocator that the tests' workers are run with (tests/conftest.py): a small merge is a quarter faster with it.
jemalloc:
	@ls /usr/lib/*/libjemalloc.so.* /usr/lib/libjemalloc.so.* 2>/dev/null | grep -q . && exit 0; \
	$(call debian,libjemalloc2,,the tests take a fifth longer without it)

# The long searches: many more examples of the same properties, and secrets in the whole history.
soak: install-dev postgres chromium jemalloc
	@$(BIN)/python -m tests.repository.history_secrets --all
	@$(BIN)/pytest -m soak

# The document reader against a simple one, on documents that a fuzzer makes up: make fuzz SECONDS=600 for longer.
SECONDS ?= 60
fuzz: install-dev
	@$(call add,--group fuzz)
	nice $(BIN)/python -m tests.soak.fuzz_reader -max_total_time=$(SECONDS)

# What it all costs, beside the bare work and beside dlt; make bench SIZES=10000,100000 BENCH_REPEATS=1 for less of it.
bench: install-dev
	@$(call add,--group bench)
	$(BIN)/python -m tests.benchmarks $(if $(SIZES),--sizes $(SIZES)) $(if $(BENCH_REPEATS),--repeats $(BENCH_REPEATS))

# How long make demo and make test take in clean clones, and what they install: of HEAD, or make bench-suite REVISIONS="a b".
bench-suite:
	@$(PYTHON) -m tests.benchmarks.suite $(REVISIONS)

# Newest versions that pyproject.toml admits, pinned by number alone.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check 'pip>=25.1'
	.venv-lock/bin/pip install --quiet --disable-pip-version-check '.[deploy,postgres,snowflake]' --group dev hatchling editables
	.venv-lock/bin/pip freeze --exclude clari-pipeline > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
