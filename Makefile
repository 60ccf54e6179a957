# Every target makes its own .venv when it is missing; nothing else has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test programs check lint type fmt bench sim clean

demo: $(READY)  ## the main job on a real Envoy: promote, roll back, blame nobody
	$(BIN)/turnout demo $(DEMO)

test: lint type programs  ## everything: style, types, unit, property, simulation, real gateways
	$(BIN)/python -m pytest $(TESTS)

programs:  ## the real gateways that the tests start, from Debian, if they are missing
	.ci/programs

check: $(READY) lint type  ## what the commit hook runs
	$(BIN)/python -m pytest -q tests/tidy tests/unit

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

type: $(READY)
	$(BIN)/mypy

fmt: $(READY)  ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## ratios against floors measured in the same run
	$(BIN)/python -m tests.bench $(BENCH)

sim: $(READY)  ## thousands of seeded rollouts with faults; SEED=n replays one
	$(BIN)/python -m tests.sim $(if $(SEED),--seed $(SEED)) $(SIM)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,demo]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
