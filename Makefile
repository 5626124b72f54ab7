# Needs Python 3.11+ and make; everything else comes from requirements.lock into .venv.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help install demo test fuzz faults guided lint audit docs bench lock clean

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /	/'

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "labelmend needs Python 3.11 or newer; call make with PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep ^uv== requirements.lock)"
	@# uv installs many at a time, in a fraction of pip's time; pip is for whoever has set up a registry for pip alone.
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

install: .venv/installed  ## make .venv and install labelmend into it

demo: .venv/installed  ## digits scenes: train, suggest, and open the review in the browser
	$(BIN)/labelmend demo

test: .venv/installed  ## all tests, those in the browser included where there is a Chromium
	$(BIN)/python tests/find_chromium.py
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal --reruns 1

fuzz: .venv/installed  ## the tests that draw their examples, with other examples than yesterday's
	$(BIN)/python -m pytest --numprocesses logical -m hypothesis --hypothesis-profile fuzz tests

INPUTS ?= 100000

faults: .venv/installed  ## nightly: 200 kills a database, and INPUTS damaged files for each reader, other ones each time
	LABELMEND_FAULTS=long $(BIN)/python -m pytest -m faults tests
	LABELMEND_FUZZ_INPUTS=$(INPUTS) LABELMEND_FUZZ_SEED=$$(date +%s) $(BIN)/python -m pytest -s tests/datasets/formats/test_fuzzed.py

guided: .venv/installed  ## nightly: damaged files that atheris chooses by the branches that they reach
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group fuzz
	LABELMEND_FUZZ_GUIDED=1 LABELMEND_FUZZ_INPUTS=$(INPUTS) $(BIN)/python -m pytest -s tests/datasets/formats/test_fuzzed.py

lint: .venv/installed  ## formatting, style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: .venv/installed  ## known holes in the packages of requirements.lock; asks PyPI's advisory service
	$(BIN)/uv tool run pip-audit --strict --requirement requirements.lock --disable-pip --no-deps --progress-spinner off

docs: .venv/installed  ## pages of docs/ in site/, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: .venv/installed  ## figures of BENCHMARKS.md; DATA=folder of coco18
	$(BIN)/labelmend bench coco18 --data $(DATA)

lock: .venv/installed  ## resolve pyproject.toml anew, for every platform
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate --quiet pyproject.toml --extra docs --group dev --output-file requirements.lock

clean:  ## remove what make made
	rm -rf .venv site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
