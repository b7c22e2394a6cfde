# Everything needs only Python 3.11 or later, git and make: packages are installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# The suite starts some hundred processes: what one has compiled is kept for the others, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=
# The whole suite (WHICH chooses among it), in two processes; with ARGS, what they ask for, in one: --pdb and -s work as everywhere.
AT_ONCE := -p tests.at_once --numprocesses 2 $(WHICH)

.PHONY: help serve worker test test-postgres check lint collect types migrations deploy-check coherence messages openapi \
	bench bench-check bench-growth bench-overload bench-recurrence bench-servers bench-webhooks conformance torture audit \
	pins parts

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 18

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("RDV needs Python 3.11 or later (PYTHON=... names it)" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@ln -sf ../../bin/rdv $(BIN)/rdv
	@touch $@

serve: $(VENV)/.installed ## the server, with demo data when the database is empty, on 127.0.0.1:8000
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py createcachetable
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@$(BIN)/python manage.py demo
	@bin/welcome
	@WEBHOOKS_WORKER=$${WEBHOOKS_WORKER:-1} exec bin/serve

worker: $(VENV)/.installed ## sends webhooks, until it is stopped; `make serve` starts one of its own
	@exec $(BIN)/python manage.py webhooks_worker

test: $(VENV)/.installed ## the suite on the embedded database
	$(PYTEST) $(or $(ARGS),$(AT_ONCE))

# What the suite writes need not outlive the machine: PostgreSQL does not wait for its disks.
test-postgres: $(VENV)/.installed ## the suite on PostgreSQL: DATABASE_URL's, or one started and stopped here
	POSTGRES_OPTIONS="-c fsync=off -c full_page_writes=off" bin/with-postgres $(PYTEST) $(or $(ARGS),$(AT_ONCE))

torture: $(VENV)/.installed ## the promises of docs/guarantees.md at length, on both databases; hours
	TORTURE=long $(PYTEST) tests/torture tests/test_visibility.py $(ARGS)
	TORTURE=long bin/with-postgres $(PYTEST) tests/torture tests/test_visibility.py $(ARGS)

conformance: $(VENV)/.installed ## whether a server keeps the contract (ADDRESS=https://… DIRECTORY=directory.json; ARGS=--sections lists)
	$(PYTEST) -p conformance.plugin --pyargs conformance $(if $(ADDRESS),--address $(ADDRESS)) \
		$(if $(DIRECTORY),--directory $(DIRECTORY)) $(ARGS)

check: lint types migrations deploy-check coherence audit test test-postgres ## all that CI checks, but for bench-check

lint: $(VENV)/.installed ## style, format, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

collect: $(VENV)/.installed ## every test can be found; what makes them is compiled
	@told=$$($(PYTEST) --collect-only -qq 2>&1) || { echo "$$told"; exit 1; }

types: $(VENV)/.installed ## strict types where they are configured
	$(BIN)/mypy

migrations: $(VENV)/.installed ## no model without its migration
	$(BIN)/python manage.py makemigrations --check --dry-run

deploy-check: $(VENV)/.installed ## Django's own review of the production settings
	RDV_ENV=production RDV_SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
	RDV_ALLOWED_HOSTS=rdv.agence.example DATABASE_URL=sqlite:///:memory: \
	$(BIN)/python manage.py check --deploy --fail-level WARNING

coherence: $(VENV)/.installed ## installed packages agree with each other
	$(BIN)/python -m pip check

$(VENV)-supply/.installed: supply/requirements.txt
	$(PYTHON) -m venv $(VENV)-supply
	$(VENV)-supply/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

audit: $(VENV)/.installed $(VENV)-supply/.installed ## known holes and licences of what is installed
	$(VENV)-supply/bin/python -m supply.holes requirements.txt benchmarks/requirements.txt supply/requirements.txt
	$(VENV)-supply/bin/pip-licenses --python=$(BIN)/python
	$(VENV)-supply/bin/pip-licenses --python=$(VENV)-supply/bin/python >/dev/null

# Pins hold on every platform and from Python 3.11 on. The index is the machine's own business: it is written nowhere.
PIN := $(VENV)-supply/bin/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --annotation-style line --custom-compile-command "make pins"

pins: $(VENV)-supply/.installed ## requirements.txt anew from requirements.in (ARGS=--upgrade renews the others too)
	$(PIN) $(ARGS) requirements.in --output-file requirements.txt
	$(PIN) $(ARGS) benchmarks/requirements.in --constraints requirements.txt --output-file benchmarks/requirements.txt
	$(PIN) $(ARGS) supply/requirements.in --constraints requirements.txt --output-file supply/requirements.txt
	$(MAKE) parts

parts: $(VENV)/.installed $(VENV)-supply/.installed ## the list of parts that we publish (CycloneDX)
	$(VENV)-supply/bin/cyclonedx-py environment $(BIN)/python --output-reproducible --output-file supply/parts.cdx.json

$(VENV)-bench/.installed: benchmarks/requirements.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement benchmarks/requirements.txt
	@touch $@

BENCH := bin/with-postgres $(VENV)-bench/bin/python -W ignore -m benchmarks

bench: $(VENV)-bench/.installed ## RDV beside its peers, in one run, on PostgreSQL and SQLite; writes benchmarks/RESULTS.md
	$(BENCH).run --write benchmarks $(ARGS)

bench-check: $(VENV)-bench/.installed ## two minutes: fails when RDV is half as fast, beside a stock server, as last recorded
	$(BENCH).check $(ARGS)

bench-growth: $(VENV)-bench/.installed ## how the list's cost grows with what is visible; writes benchmarks/GROWTH.md
	$(BENCH).growth --write benchmarks $(ARGS)

bench-overload: $(VENV)-bench/.installed ## four times what the machine can carry: who is served, how quickly, and who is not
	$(BENCH).overload $(ARGS)

bench-servers: $(VENV)-bench/.installed ## RDV on granian and on gunicorn's worker kinds; writes benchmarks/SERVERS.md
	$(BENCH).servers --write benchmarks $(ARGS)

bench-webhooks: $(VENV)/.installed ## how many deliveries a minute one worker makes, on both databases
	bin/with-postgres $(BIN)/python -m benchmarks.webhooks $(ARGS)

bench-recurrence: $(VENV)/.installed ## the occurrences of a thousand recurring absences over a year, beside python-dateutil
	$(BIN)/python -m benchmarks.recurrence $(ARGS)

messages: $(VENV)/.installed ## gather the French sentences of the code, and compile the English ones
	$(BIN)/python -m rdv.messages

openapi: $(VENV)/.installed ## the description of the API beside the code: docs/openapi.fr.json, docs/openapi.en.json
	$(BIN)/python -m rdv.descriptions
