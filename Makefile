# The two commands of a fresh machine: make demo, make test. Needs Python 3.11 or newer, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check fast docs clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt requirements-frameworks.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt --requirement requirements-frameworks.txt
	$(BIN)/python -m pip install --quiet --no-deps torchvision==0.28.0
	touch $@

demo: $(VENV)/installed  ## analyze a model that comes with irstat
	$(BIN)/irstat analyze example:mobilenet_v2

test: check  ## the whole suite, frameworks included
	$(BIN)/python -m pytest -n auto --dist loadgroup

fast: $(VENV)/installed-dev  ## the default selection: no frameworks, under a minute
	$(BIN)/python -m pytest -n auto -m "not frameworks and not slow"

check: $(VENV)/installed-dev  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/installed  ## write the generated documentation again
	$(BIN)/irstat ops --format markdown --output docs/operators.md

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
