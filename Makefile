# make run     the example study, from a bare clone to a table of barriers
# make test    the default tests            make slow    the second stage (minutes)
# make browser the page in Chromium   make pictures  its pictures in the documentation
# make cluster the second stage behind a real Slurm, as root (a quarter of an hour)
# make gpaw    GPAW, the free DFT engine, compiled into .venv (by apt what that needs, if root)
# make smoke   a DFT campaign in minutes   make gpaw-test  the tests of GPAW (minutes)
# make lint    ruff, mypy, import-linter    make docs    the documentation, warnings are errors
# make clean   removes what make has built; runs and results stay
#
# PYTHON       the interpreter the environment is built from (3.11 or newer)
# TORCH        the PyTorch to install; TORCH_ARGS takes pip options for it, such as
#              --index-url with the address of PyTorch's CPU wheels
# JOBS         test processes
# CLUSTER_JOBS the same for the tests behind Slurm, which wait most of the time

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
TORCH ?= torch==2.13.0
TORCH_ARGS ?=
JOBS ?= 2
CLUSTER_JOBS ?= 3

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
DOCS_STAMP := $(VENV)/installed-docs
GPAW_STAMP := $(VENV)/installed-gpaw

# One thread a process: two spinning OpenMP pools on two cores are slower than none.
export OMP_NUM_THREADS ?= 1

.PHONY: run test slow browser pictures cluster gpaw smoke gpaw-test lint docs install clean FORCE
.DELETE_ON_ERROR:

run: $(STAMP)
	$(BIN)/dualion run workflows/li_cu_argyrodite.yaml

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow and not browser and not cluster and not gpaw"

slow: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) -m slow

# Not in parallel: each process would start a browser of its own.
browser: $(STAMP)
	$(BIN)/python -m pytest -m browser

# The pictures of the documentation, taken by the tests.
pictures: $(STAMP)
	DUALION_SCREENSHOTS=$(CURDIR)/docs/_static $(BIN)/python -m pytest -m browser -k pictures

cluster: $(STAMP)
	$(BIN)/python -m pytest -n $(CLUSTER_JOBS) --dist worksteal --durations=12 -m cluster

gpaw: $(GPAW_STAMP)

smoke: $(GPAW_STAMP)
	DUALION_RUNS=$${DUALION_RUNS:-runs} $(BIN)/dualion run workflows/dft_smoke.yaml
	$(BIN)/python benchmarks/dft/plain_gpaw.py --compare \
		"$${DUALION_RUNS:-runs}/dft_smoke/barriers.csv"

# Not in parallel: each evaluation takes a core for seconds.
gpaw-test: $(GPAW_STAMP)
	$(BIN)/python -m pytest -m gpaw

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(DOCS_STAMP)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

install: $(STAMP)

# The stamp holds the folder it was made in: an environment that was moved, or whose interpreter
# is gone, or whose installation was cut off, counts as not installed and is made good.
ifneq ($(shell test "$$(cat $(STAMP) 2>/dev/null)" = "$(CURDIR)" && $(BIN)/python -c 'import pip' 2>/dev/null && echo whole),whole)
$(STAMP): FORCE
endif

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) cannot make virtual environments (no venv or ensurepip):" \
			"install them (Debian and Ubuntu: apt install python3-venv) or name another Python" \
			"with make PYTHON=..." >&2; exit 1; }
	@# What a cut-off installation left is used if its pip starts; a moved environment is not.
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1 || \
		{ test -e $(STAMP) && test "$$(cat $(STAMP))" != "$(CURDIR)"; }; then \
		$(PYTHON) -m venv --clear $(VENV); fi
	@rm -f $(STAMP) $(DOCS_STAMP) $(GPAW_STAMP)
	$(BIN)/python -m pip install -q $(TORCH_ARGS) "$(TORCH)"
	$(BIN)/python -m pip install -q -e '.[mlip,cluster,vasp,parquet,optimade,dev]'
	@echo "$(CURDIR)" > $(STAMP)

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install -q -e '.[docs]'
	@touch $(DOCS_STAMP)

$(GPAW_STAMP): $(STAMP) launch/install_gpaw.sh
	launch/install_gpaw.sh $(VENV)
	@touch $(GPAW_STAMP)

clean:
	rm -rf $(VENV) docs/_build build dist .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .hypothesis
