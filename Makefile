# Every target is listed by `make help`; what is set on the command line (make run CONSOLE_PORT=9000) reaches the programs.
.DEFAULT_GOAL := help
SHELL := /bin/bash

BIN := .venv/bin
UV := $(shell command -v uv || echo .heed/uv/bin/uv)
PYTHON ?= python3
# A distribution's Python was optimised by profiles of itself; one built by pyenv was not, and takes a third longer.
SYSTEM_PYTHON := $(shell /usr/bin/python3 -c 'import sys; sys.version_info >= (3, 11) and print("/usr/bin/python3")' 2>/dev/null)
ifneq ($(SYSTEM_PYTHON),)
export UV_PYTHON ?= $(SYSTEM_PYTHON)
endif
# Once, at the install: else all processes of the first start do it side by side, or, told not to write, every start.
export UV_COMPILE_BYTECODE := 1
CODE := libs services cli tests benchmarks
PACKAGES := common lead_capture contact campaign sales ticketing analytics console heed

.PHONY: help
help: ## List targets and settings
	@printf 'Targets\n'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14
	@printf '\nSettings of make run (name=value behind the target, or in the environment)\n'
	@grep -hE '^#: ' $(MAKEFILE_LIST) | sed -E 's/^#: ([^ ]+) +(.*)/  \1\t\2/' | expand -t 32

#: DEMO=0                    start without the demo shop, its sign-ins and keys, and with journeys' waits in full length
#: CONSOLE_PORT=8080         also LEAD_CAPTURE_, CONTACT_, CAMPAIGN_, SALES_, TICKETING_, ANALYTICS_PORT (8001 to 8006)
#: HEED_KAFKA_PORT=9092      port of the broker that is started
#: HEED_POSTGRES_PORT=54329  port of the database server that is started
#: HEED_SMTP_PORT=2525       port of the mail sink that is started
#: HEED_HOME=.heed           where data, secrets and logs are kept
#: KAFKA_BOOTSTRAP_SERVERS=  use this broker instead of starting one
#: SALES_DATABASE_URL=       and the same for the other six services: use these databases instead of starting a server
#: SMTP_URL=                 use this mail server instead of starting a sink
#: HEED_TOPIC_PREFIX=heed    what the topics' names begin with
#: LOG_LEVEL=INFO            how much the services write to .heed/logs
#: HEED_COMPILED=0           run analytics from its sources even where it was compiled
#: HEED_BENCH_DATA=          folder with the logs that make bench-models measures on
#: UV_PYTHON=/usr/bin/python3  which Python everything runs on; where that is older than 3.11, the one uv finds
#: OTEL_EXPORTER_OTLP_ENDPOINT=  where traces go

.PHONY: install
install: $(UV) ## Install what running needs: Python packages, Kafka, the console's assets
	@$(UV) sync --quiet --frozen --inexact --no-dev
	@$(BIN)/heed install

.PHONY: install-dev
install-dev: $(UV) ## Install what tests, lint and benchmarks need as well
	@$(UV) sync --quiet --frozen --inexact
	@$(BIN)/heed install --tests

.PHONY: compile
compile: $(UV) ## Compile what analytics runs every event through, half as fast again; needs a C compiler
	@$(UV) sync --quiet --frozen --inexact --no-dev --group compile
	@$(BIN)/heed compile

.PHONY: run
run: $(UV) ## Start everything; Ctrl-C stops it
	@$(UV) sync --quiet --frozen --inexact --no-dev
	@$(BIN)/heed run

.PHONY: stop
stop: ## Stop what make run started, from another terminal
	@$(BIN)/heed stop

.PHONY: status
status: ## Show the running processes
	@$(BIN)/heed status

.PHONY: test
test: install-dev ## All tests, on a Kafka and a PostgreSQL of their own
	$(BIN)/pytest

.PHONY: lint
lint: install-dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(addprefix -p ,$(PACKAGES))
	$(BIN)/mypy --explicit-package-bases tests benchmarks
	$(BIN)/lint-imports

.PHONY: format
format: ## Format the code
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: bench
bench: install-dev compile ## All benchmarks; prints tables and updates benchmarks/README.md
	$(BIN)/python -m benchmarks

.PHONY: chaos
chaos: install-dev ## Kill every process under load and compare effects with an outside ledger, in full length
	HEED_CHAOS=full $(BIN)/pytest tests/chaos

.PHONY: chaos-long
chaos-long: install-dev ## Kill analytics two hundred times at random; takes up to an hour
	HEED_CHAOS=long $(BIN)/pytest tests/chaos/test_analytics_kills.py

.PHONY: bench-models
bench-models: install-dev ## The models' figures on real logs; HEED_BENCH_DATA=… says where these are
	$(BIN)/python -m benchmarks.models

.PHONY: clean
clean: ## Delete caches; data in .heed stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-results

.heed/uv/bin/uv:
	@$(PYTHON) -m venv .heed/uv
	@.heed/uv/bin/pip install --quiet uv
