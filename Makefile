# One command each. Every target creates what it needs.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
export PELLUCID_DATA ?= $(abspath ../shared/data)

.PHONY: demo test check bench docs pages format clean

demo: $(VENV)/.installed
	$(BIN)/pellucid train mnist-5k --network 128-128 --dropout 0.2 --epochs 20 --folder runs/demo --overwrite

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests --numprocesses 2 --dist worksteal

check: $(VENV)/.installed-test $(VENV)/.installed-check
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	$(BIN)/python -m pytest --doctest-modules src -o addopts=-q

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html"

pages: demo $(VENV)/.installed-test
	$(BIN)/python tools/draw_demo.py
	$(BIN)/python tools/make_catalogue.py
	$(BIN)/python -m benchmarks --render

format: $(VENV)/.installed-check
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

clean:
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-%: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet --group $*
	touch $@
