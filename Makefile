# A new machine needs Python 3.11+ with venv, and make. Everything else is installed into .venv from the lock files.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
INSTALL := $(UV) pip install --quiet --no-deps
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--override overrides.txt --custom-compile-command "make lock"
COMPILE_CORE := $(COMPILE) pyproject.toml --output-file requirements.lock
COMPILE_DEV := $(COMPILE) pyproject.toml --extra dev --constraint requirements.lock --output-file requirements-dev.lock
COMPILE_BGE := $(COMPILE) --group pyproject.toml:test-bge --no-emit-package torch --override overrides-bge.txt \
	--constraint requirements-dev.lock --output-file requirements-bge.lock
# PyTorch comes with pip and without hashes, because each machine has its own build. Plain PyPI has the one for GPUs, of
# several gigabytes: elsewhere add `--index-url` and the address of the CPU builds.
TORCH ?= $(shell sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
BGE_VENV := .venv-bge
INSTALL_BGE := $(INSTALL) --python $(BGE_VENV)/bin/python
PACKAGES := domain ports application adapters bootstrap

UV_STAMP := $(VENV)/.stamp-uv-$(UV_VERSION)
CORE_STAMP := $(VENV)/.stamp-core
DEV_STAMP := $(VENV)/.stamp-dev
BGE_STAMP := $(BGE_VENV)/.stamp

.PHONY: help run test test-bge test-nightly check format walkthrough bench bench-smoke bench-retrieval docs setup setup-dev lock lock-upgrade clean

# Without bytecode on disk, each of the many processes that they start compiles all modules anew, for seconds.
test test-bge test-nightly bench bench-smoke: export PYTHONDONTWRITEBYTECODE :=

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Install what is missing and serve
	@exec $(BIN)/faultmaven serve

test: setup-dev ## Run the tests and enforce the coverage limits
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --cov --cov-report= $(PYTEST_ARGS)
	@$(BIN)/python -m pytest -m timed $(PYTEST_ARGS)
	@$(BIN)/python -m coverage report --include='domain/*' --fail-under=100
	@$(BIN)/python -m coverage report --omit='domain/*' --fail-under=90

test-bge: $(BGE_STAMP) ## Run the tests that need PyTorch, in an environment of their own
	@$(BGE_VENV)/bin/python -m pytest -m sentence_transformers tests/adapters/sentence_transformers $(PYTEST_ARGS)

test-nightly: setup-dev ## Run the tests with many more generated examples
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest $(PYTEST_ARGS)

check: setup-dev ## Lint, formatting, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict $(addprefix --package ,$(PACKAGES))
	@$(BIN)/lint-imports --no-logo

format: setup-dev ## Apply the formatter and the safe fixes
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

walkthrough: setup-dev ## Work a case over HTTP and write docs/walkthrough.md; PROFILE=production: on other stores
	@XDG_RUNTIME_DIR=$${XDG_RUNTIME_DIR:-/tmp} $(BIN)/python -m tests.e2e.walkthrough \
		$(if $(RUNBOOKS),--runbooks $(RUNBOOKS)) $(if $(PROFILE),--profile $(PROFILE))

bench: setup-dev ## Measure everything and write docs/benchmarks; PORT=cases|users|sessions|vectors: only that store
	@$(BIN)/python -m benchmarks $(if $(PORT),--port $(PORT)) $(BENCH_ARGS)
	@$(if $(PORT),,$(BIN)/python -m benchmarks.retrieval.stores && $(BIN)/python -m benchmarks.process && \
		$(BIN)/python -m benchmarks.migration)

bench-smoke: setup-dev ## Look for gross regressions of speed, in less than two minutes
	@$(BIN)/python -m benchmarks --smoke

bench-retrieval: setup-dev ## Measure the quality of retrieval
	@$(BIN)/python -m benchmarks.retrieval

docs: setup-dev ## Write the pages that are made from the code: the settings, the adapters
	@$(BIN)/python -m bootstrap.reference > docs/configuration.md
	@$(BIN)/python -m tests.docs.adapters_page > docs/adapters.md

setup: $(CORE_STAMP) ## Install the run-time environment

setup-dev: $(DEV_STAMP) ## Install the development environment

lock: $(UV_STAMP) ## Refresh the lock files, keeping the versions that still fit
	@$(COMPILE_CORE)
	@$(COMPILE_DEV)
	@$(COMPILE_BGE)

lock-upgrade: $(UV_STAMP) ## Refresh the lock files with the newest versions
	@$(COMPILE_CORE) --upgrade
	@$(COMPILE_DEV) --upgrade
	@$(COMPILE_BGE) --upgrade

clean: ## Remove the environments, caches and reports (data is kept)
	@rm -rf $(VENV) $(BGE_VENV) build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is %d.%d; set PYTHON=/path/to/python3" % sys.version_info[:2])'
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(CORE_STAMP): requirements.lock pyproject.toml | $(UV_STAMP)
	@echo "Installing the run-time environment ..."
	@$(INSTALL) --require-hashes --requirement requirements.lock
	@$(INSTALL) --editable .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(CORE_STAMP)
	@echo "Installing the development environment ..."
	@$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

$(BGE_STAMP): requirements-bge.lock requirements-dev.lock pyproject.toml | $(UV_STAMP)
	@echo "Installing the environment with PyTorch, about 1.6 GB ..."
	@$(UV) venv --quiet --clear --python $(BIN)/python $(BGE_VENV)
	@$(INSTALL_BGE) --require-hashes --requirement requirements-dev.lock --requirement requirements-bge.lock
	@$(INSTALL_BGE) --editable .
	@$(BIN)/python -m pip --python $(BGE_VENV)/bin/python install -qq --disable-pip-version-check --no-compile $(TORCH)
	@touch $@
