# Two commands do everything: `make demo` and `make test`. Both work as root and as an ordinary user.

.DEFAULT_GOAL := help
.PHONY: help demo test test-long kills load coverage unit check types style screens audit page api benchmark docs offline sbom setup dev browser proxy lock clean
SHELL := /bin/bash
BIN := .venv/bin
MODULES := web/node_modules/.package-lock.json

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 11

demo: setup ## install, sort cell crops into types, show the result
	$(BIN)/hemosight demo

# Which lines ran: Python 3.12 counts them at almost no cost; before it, tracing takes a third of the time (make coverage).
COVERED = $$($(BIN)/python -c 'import sys; print("--cov=hemosight" if sys.version_info >= (3, 12) else "")')

# As many workers as cores: threads of their own would only wait for one another.
test test-long unit coverage: export OMP_NUM_THREADS ?= 1
# Even where the environment forbids it: each worker and program started would compile our modules and tests again.
test test-long unit coverage: export PYTHONDONTWRITEBYTECODE =

# Training apart: torch and the arithmetic of reading, loaded into one process, once fell over a signal. 5: no such test.
# Pyright keeps one core busy for a minute: the other tools and the page's tests have the second meanwhile.
test: dev browser proxy ## everything: style, types, units, real data, the page in a browser; ARGS go to pytest
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types style screens
	$(MEASURED)

coverage: dev browser proxy ## the tests of `make test` again, and which lines of the package they ran, on any Python
	$(MEASURED)

test coverage: export COVERAGE_CORE ?= sysmon
coverage: export COVERAGE_CORE = ctrace
coverage: COVERED = --cov=hemosight
define MEASURED
covered=$(COVERED); \
$(BIN)/pytest -n auto $$covered $${covered:+--cov-report=} -m "train and not long" $(ARGS) || [ $$? = 5 ] || exit 1; \
$(BIN)/pytest -n auto $$covered $${covered:+--cov-append} -m "not train and not long" $(ARGS) || [ $$? = 5 ]
endef

test-long: .venv/.dev page ## the tests that take minutes each: kills, attacks, soaks; before every release
	$(BIN)/pytest -m long $(ARGS)

kills: .venv/.dev ## a hundred random kills, each run proven; stopped, it goes on where build/kills.tsv ends
	$(BIN)/python tests/kills.py build/kills.tsv

# Neither npm nor a browser nor PostgreSQL. A file is faster without the workers' start.
# Schemathesis, whose tests are not quick, takes a second to load into each process.
unit: .venv/.dev ## the quick tests alone, in a minute; ARGS=tests/space/test_classifiers.py for one file
	$(BIN)/pytest -p no:schemathesis -n $(if $(ARGS),0,auto) -m "$(QUICK)" $(ARGS)

QUICK := not slow and not acceptance and not browser and not data and not train and not service and not long

check: style types ## style and types

types: .venv/.dev
	$(BIN)/pyright --warnings

screens: $(MODULES)
	cd web && npx vitest run --reporter=dot

style: .venv/.dev $(MODULES)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	cd web && npm run -s check
	$(BIN)/hemosight service openapi > web/openapi.json && cd web && npm run -s api -- --check

audit: .venv/.dev ## known faults of what is pinned, where an advisory source can be reached
	$(BIN)/python scripts/audit.py

offline: .venv/.runtime page ## build/offline: a folder that installs HemoSight where there is no network
	scripts/offline build/offline

sbom: ## build/sbom.json: the software bill of materials, CycloneDX
	mkdir -p build && python3 scripts/sbom.py > build/sbom.json

setup: .venv/.runtime page ## .venv with what classifies: no torch; and the page
dev: .venv/.dev page ## .venv with what trains and tests as well; and the page

api: .venv/.dev $(MODULES) ## the page's types anew from the service's description
	$(BIN)/hemosight service openapi > web/openapi.json && cd web && npm run -s api

benchmark: .venv/.dev ## ratios against baseline pipelines, into docs/reference/figures.md; fails where one fell by a third
	$(BIN)/python benchmarks/speed.py --write $(ARGS)

load: .venv/.dev ## 30 and 50 reviewers at once and a soak, 35 minutes, into docs/reference/figures.md; on an idle machine
	$(BIN)/python benchmarks/reviewers.py --write $(ARGS)

docs: .venv/.dev ## the documentation as a site, build/docs/index.html; a broken link ends it
	$(BIN)/python docs/reference/make_cli.py
	$(BIN)/python docs/reference/make_settings.py
	$(BIN)/python docs/reference/make_threats.py
	$(BIN)/python docs/reference/make_rooms.py
	$(BIN)/python docs/reference/make_files.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo build/docs/index.html

PAGE := src/hemosight/service/static/index.html
page: $(PAGE) ## the review desk's page, built from web/ into the package

$(PAGE): $(MODULES) $(shell find web -name node_modules -prune -o -name openapi.json -o -type f -print)
	cd web && npm run -s build
	@touch $@

$(MODULES): web/package-lock.json
	cd web && npm ci --silent
	@touch $@

.venv/.runtime: requirements/runtime.txt pyproject.toml scripts/setup
	scripts/setup requirements/runtime.txt
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml scripts/setup
	scripts/setup requirements/dev.txt
	@touch $@ .venv/.runtime

browser: .venv/.browser ## a Chromium for the tests of the page, where the system has none and lets us install it
.venv/.browser: .venv/.dev
	scripts/setup --browser
	@touch $@

proxy: .venv/.proxy ## an nginx for the tests behind a proxy, where the system has none and lets us install it
.venv/.proxy: .venv/.dev
	scripts/setup --proxy
	@touch $@

lock: .venv/.dev ## pin the requirements anew
	$(BIN)/uv pip compile -q pyproject.toml --group build --extra fast $(LOCK) -o requirements/runtime.txt
	$(BIN)/uv pip compile -q pyproject.toml --group build --extra fast --extra train --extra study --extra dev $(LOCK) -o requirements/dev.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"

clean: ## remove what was made, the environment included
	rm -rf .venv build dist demo-output web/node_modules src/hemosight/service/static .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
