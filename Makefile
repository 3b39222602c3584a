# Every target works from a clean clone: it makes .venv first when that is missing or older than the requirements.
SHELL := bash
BIN := .venv/bin
# Test processes. Many tests wait for servers, leases and limits more than they compute: more than the cores is the quickest.
WORKERS ?= 3
PYTEST_ARGS ?=
# Tests start hundreds of processes: each would compile all of labelmill where the environment forbids to keep what was compiled.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest
# Manifests are read as the oldest and the newest cluster that we mean would read them.
MANIFESTS = $(filter-out %/kustomization.yaml,$(wildcard deploy/k8s/*/*.yaml))
CLUSTERS := 1.30 1.37

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench chaos clean

help:
	@echo "make demo    install, make sample data, label it, leave the web page running"
	@echo "make test    install, find or start the servers, run the tests"
	@echo "make lint    style, types, arrows between packages, sizes, tracked files, deployment files"
	@echo "make bench   measure speed and memory (minutes)"
	@echo "make chaos   kill and restart real servers under load (minutes)"
	@echo "make setup   install everything into .venv, nothing else"
	@echo "make clean   stop the test servers that were started here, remove what was made"

setup: .venv/.dev

demo: .venv/.runtime
	$(BIN)/labelmill demo

test: .venv/.dev
	$(BIN)/python scripts/testservers.py up
	$(PYTEST) -m "not chaos" -n $(WORKERS) --dist worksteal --cache-clear $(PYTEST_ARGS) || { [ $$? = 1 ] && $(BIN)/python scripts/test_again.py; }

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_sizes.py
	$(BIN)/python scripts/check_tracked.py
	$(BIN)/hadolint deploy/Containerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose*.yaml
	$(foreach cluster,$(CLUSTERS),$(BIN)/kubernetes-validate --quiet --strict -k $(cluster) $(MANIFESTS) &&) true

bench: .venv/.dev
	@scripts/run-benchmarks

chaos: .venv/.dev
	$(BIN)/python scripts/testservers.py up
	$(PYTEST) -m chaos $(PYTEST_ARGS) tests/chaos

clean:
	@if [ -x $(BIN)/python ]; then $(BIN)/python scripts/testservers.py down; fi
	rm -rf .venv build dist demo-data benchmarks/out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/*.egg-info

.venv/.runtime: requirements/runtime.txt pyproject.toml scripts/setup-venv
	@scripts/setup-venv runtime

.venv/.dev: .venv/.runtime requirements/servers.txt requirements/dev.txt
	@scripts/setup-venv dev
