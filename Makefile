# Two commands do everything: `make demo` and `make test`. Both work as root and as an ordinary user.

.DEFAULT_GOAL := help
.PHONY: help demo test unit check page api setup dev lock clean
SHELL := /bin/bash
BIN := .venv/bin

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: setup ## install, sort cell crops into types, show the result
	$(BIN)/hemosight demo

test: dev check ## everything: style, types, units, real data, the page in a browser
	cd web && npx vitest run --reporter=dot
	$(BIN)/pytest

# Deselected tests are still imported, and importing torch takes seconds.
TORCH_TESTS := tests/encoder tests/images/test_augment.py tests/cli/test_cli_pretrain.py

unit: dev ## the quick tests alone: half a minute
	$(BIN)/pytest -m "not acceptance and not browser and not data and not train and not service" $(TORCH_TESTS:%=--ignore=%)

check: dev ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --warnings
	cd web && npm run -s check
	$(BIN)/hemosight service openapi > web/openapi.json && cd web && npm run -s api -- --check

setup: .venv/.runtime page ## .venv with what classifies: no torch; and the page
dev: .venv/.dev page ## .venv with what trains and tests as well; and the page

api: dev ## the page's types anew from the service's description
	$(BIN)/hemosight service openapi > web/openapi.json && cd web && npm run -s api

PAGE := src/hemosight/service/static/index.html
page: $(PAGE) ## the review desk's page, built from web/ into the package

$(PAGE): web/node_modules/.package-lock.json $(shell find web -name node_modules -prune -o -name openapi.json -o -type f -print)
	cd web && npm run -s build
	@touch $@

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --silent
	@touch $@

.venv/.runtime: requirements/runtime.txt pyproject.toml scripts/setup
	scripts/setup requirements/runtime.txt
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml scripts/setup
	scripts/setup requirements/dev.txt --with-browser
	@touch $@ .venv/.runtime

lock: dev ## pin the requirements anew
	$(BIN)/uv pip compile -q pyproject.toml --group build $(LOCK) -o requirements/runtime.txt
	$(BIN)/uv pip compile -q pyproject.toml --group build --extra train --extra study --extra dev $(LOCK) -o requirements/dev.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"

clean: ## remove what was made, the environment included
	rm -rf .venv build dist demo-output web/node_modules src/hemosight/service/static .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
