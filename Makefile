# Needs Python 3.11 or newer and make; everything else is installed into .venv from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# One torch thread per worker, no hub, no cache outside the test's own folder.
TEST_ENV := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

.PHONY: quickstart reproduce test test-all fuzz check docs format bench clean

quickstart: $(VENV)/quickstart.stamp
	HF_HUB_OFFLINE=1 $(BIN)/airtune run scenarios/quickstart.toml

# make reproduce STAGE=fig3-sst2 SCALE=full DATA=../shared/data; by default every stage, for two cores, from the hub.
SCALE ?= cpu
JOBS ?= 2
reproduce: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m reproduction --scale $(SCALE) --jobs $(JOBS) \
		$(if $(STAGE),--stage $(STAGE)) $(if $(DATA),--data $(DATA))

test: $(VENV)/dev.stamp
	$(TEST_ENV) $(BIN)/pytest -n $(WORKERS) -m "not slow"

test-all: $(VENV)/dev.stamp
	$(TEST_ENV) $(BIN)/pytest -n $(WORKERS)

# Mutated files of others for an hour on two processes; findings with what reproduces them lie in FUZZ_OUT.
# FUZZ_SEED=N repeats a run; PYTHONPATH=.:tests .venv/bin/python -m support.fuzz_run again FILE.json repeats a finding.
FUZZ_SECONDS ?= 3600
FUZZ_OUT ?= fuzz
fuzz: $(VENV)/dev.stamp
	$(TEST_ENV) PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python -m support.fuzz_run $(FUZZ_SECONDS) $(FUZZ_OUT) $(FUZZ_SEED)

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q -n 0 tests/test_repository.py -k "cycle or class_name or folder"

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/worlds.py

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev.stamp
	status=0; for script in benchmarks/bench_*.py; do $(BIN)/python $$script || status=1; done; exit $$status

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/quickstart.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[quickstart]'
	touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis fuzz
