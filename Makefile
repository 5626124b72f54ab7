# Needs Python 3.11+ and make; everything else comes from requirements.lock into .venv.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help install demo test lint bench lock clean

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /	/'

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "labelmend needs Python 3.11 or newer; call make with PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

install: .venv/installed  ## make .venv and install labelmend into it

demo: .venv/installed  ## digits scenes: train, suggest, and open the review in the browser
	$(BIN)/labelmend demo

test: .venv/installed  ## all tests, those in the browser included where there is a Chromium
	$(BIN)/python tests/find_chromium.py
	$(BIN)/python -m pytest

lint: .venv/installed  ## formatting, style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/installed  ## figures of BENCHMARKS.md; DATA=folder of coco18
	$(BIN)/labelmend bench coco18 --data $(DATA)

lock: .venv/installed  ## resolve pyproject.toml anew, for every platform
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate --quiet pyproject.toml --group dev --output-file requirements.lock

clean:  ## remove what make made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
