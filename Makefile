# make tune [SPACE=a100.yaml]   finds the fastest feasible configuration by real training
# make test                     linters, types, layers and all tests
# make check                    the same without the slow tests, for while you work
# make chaos [SEED=0]           50 random kills in a row, and what became of the run
# make fuzz [SECONDS=600]       looks for inputs that break what reads studies, configurations, outputs and journals
# make docs                     this documentation as a site, in site/
# Both make .venv and install into it when needed; nothing else has to be prepared.

PYTHON ?= python3
SPACE ?= cpu.yaml
SEED ?= 0
SECONDS ?= 600
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install tune test check tests fast-tests chaos fuzz coverage lint types style docs format clean

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

# Modules are compiled when they are first imported: compiling all of them takes as long as installing them.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(f"Python >= 3.11 is needed, found {sys.version.split()[0]}. Fix: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(STAMP) ## Make .venv and install everything into it

tune: $(STAMP) ## Find the fastest feasible configuration (SPACE=cpu.yaml)
	$(BIN)/python -m tuner.run --space $(SPACE)

# A file's tests share what they start, such as a Ray; tests/slow.py says which files begin first.
# Tests start many interpreters: none compiles anew what another has compiled already.
PYTEST_WORDS := pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m $(PYTEST_WORDS)

# Types are checked beside the tests, which leave a core idle while they are collected.
test: $(STAMP) ## Linters, types, layers and all tests
	@$(MAKE) --no-print-directory --jobs=3 tests types style

check: $(STAMP) ## Linters, types, layers and the tests that are fast
	@$(MAKE) --no-print-directory --jobs=3 fast-tests types style

tests: $(STAMP)
	$(PYTEST) --durations=20

fast-tests: $(STAMP)
	$(PYTEST) -m 'not slow'

chaos: $(STAMP) ## 50 kills at random moments change neither a run's trials nor its verdict (SEED=0)
	$(BIN)/python -m tests.chaos --seed $(SEED)

fuzz: $(STAMP) ## Look for inputs that break a reader, SECONDS=600 for each kind
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

coverage: $(STAMP) ## All tests, and which lines of the packages no test ran
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m $(PYTEST_WORDS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

lint: $(STAMP) ## Linters, types and layers only
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types style

types: $(STAMP)
	$(BIN)/mypy

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/lint-imports

docs: $(STAMP) ## The documentation as a site in site/, its reference made anew from the code
	$(BIN)/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: $(STAMP) ## Reformat the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove .venv and caches; runs/ is kept
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
