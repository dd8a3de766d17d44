# make setup | demo | test | test-slow | test-faults | check | docs | clean
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PAGES  := $(VENV)/.installed-docs
DEMO   := runs/demo
DEMO_ON := --stream datasets/sample --run.dir $(DEMO)

# in tests threads that wait for each other sleep, so that a busy machine slows them no more than it must
test test-slow test-faults: export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup demo test test-slow test-faults check docs lint types layers format clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; try: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@echo "1 of 2: the recipe for use, over five months of a simulated road network"
	@$(BIN)/eac run -c configs/recipes/practical.yaml $(DEMO_ON)/practical --data.steps_per_epoch 50 > $(DEMO)/runs.log
	@echo "2 of 2: EAC as published, over the same months"
	@$(BIN)/eac run -c configs/recipes/eac.yaml $(DEMO_ON)/eac >> $(DEMO)/runs.log
	@$(BIN)/eac compare $(DEMO)/practical $(DEMO)/eac --html $(DEMO)/compare.html
	@echo
	@$(BIN)/eac compare $(DEMO)/practical $(DEMO)/eac --brief
	@echo
	@echo "What this shows: a model is worth having where its error is below the best naive forecast."
	@echo "Both were trained on every period in turn, the first one shortened for this demo."
	@echo "Next: open $(DEMO)/practical/report.html in a browser,"
	@echo "      then your own readings: eac data check counts.csv (docs/own-data.md)"

# two processes of one thread each: twice as fast on two cores as one process of two threads
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' -n 2

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m 'slow and not faults'

# docs/reliability.md: what is tried, and the figures of the last run
test-faults: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m faults -n 2 tests/faults

check: lint types layers

$(PAGES): $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[docs]'
	@touch $@

docs: $(PAGES)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/basedpyright --pythonpath $(BIN)/python

layers: $(STAMP)
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
