# Two commands: `make lab` opens the course, `make test` proves it. Both set up .venv first, once.
PYTHON ?= python3
ARGS ?=
NB ?=
TORCH ?=
WHEELS ?=

VENV := .venv/bin/python
# `--asked` tells the set-up that a Python was named on purpose, so that an existing .venv of another one is rebuilt.
ASKED := $(if $(filter file default,$(origin PYTHON)),,--asked)
CHOSEN = $(ASKED) --torch "$(TORCH)" --wheels "$(WHEELS)"

.PHONY: help setup lab test mutants test-gpu bench outputs lint wheelhouse clean

help:
	@echo "make lab                       set up once, lay the notebooks out in work/ and open JupyterLab"
	@echo "make lab ARGS=--no-browser     the same without opening a browser (also --port N, --work DIR)"
	@echo "make test                      set up once, then lint, unit tests and every notebook"
	@echo "make test NB=06                all that concerns chapter 06, and nothing else"
	@echo "make mutants NB=06             change one line at a time and see a cell of the chapter notice"
	@echo "make test-gpu                  the notebooks on a machine with GPUs, run without comparing outputs"
	@echo "make bench                     measure the ratios that the course promises"
	@echo "make outputs NB=06             run a chapter and store its outputs"
	@echo "make lint                      check style"
	@echo "make clean                     remove .venv and caches; your work/ stays"
	@echo "make wheelhouse                set up once, then keep a wheel of every package in wheelhouse/"
	@echo "make lab WHEELS=wheelhouse     set up from such a folder, without a network"
	@echo "make lab TORCH=cpu             choose torch's build, cpu or cuda; left out, by the GPU that is seen"
	@echo "PYTHON=python3.12 make lab     choose the Python"

setup:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || [ -x $(VENV) ] || { \
		echo "There is no $(PYTHON) on this machine: install Python 3.11 or newer, or name one with make lab PYTHON=/path/to/python3."; \
		exit 1; }
	@if command -v "$(PYTHON)" >/dev/null 2>&1; then "$(PYTHON)" -m tools.bootstrap $(CHOSEN); \
	else $(VENV) -m tools.bootstrap $(CHOSEN); fi

lab: setup
	@$(VENV) -m course_lib lab $(ARGS)

test: setup
	@$(VENV) -m tests.run $(if $(NB),--chapter $(NB)) $(ARGS)

mutants: setup
	@$(VENV) -m tools.mutants $(NB) $(ARGS)

test-gpu: setup
	@$(VENV) -m tests.run --gpu $(ARGS)

bench: setup
	@$(VENV) -m tools.bench $(ARGS)

outputs: setup
	@$(VENV) -m tools.execute $(NB) $(ARGS)

lint: setup
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .

wheelhouse: setup
	@$(VENV) -m tools.bootstrap --wheelhouse

clean:
	rm -rf .venv build .pytest_cache .ruff_cache .mypy_cache *.egg-info
