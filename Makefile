# Every target sets up what it needs: Python >= 3.11 and make are enough to begin.
# Another interpreter than python3: make PYTHON=python3.12 test

PYTHON ?= python3
VENV ?= .venv

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
PYTEST := $(PY) -m pytest -n logical --maxprocesses=2
ON_TENSORFLOW := KERAS_BACKEND=tensorflow
ON_JAX := KERAS_BACKEND=jax

# One stamp per set of extras; installed again when the metadata or a pin changes.
TEST_READY := $(VENV)/.ready-test
DEV_READY := $(VENV)/.ready-dev

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help demo test fast test-full check docs lock upgrade wheel bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: $(TEST_READY) ## train, attack and evaluate on scanned digits; write pictures
	$(PY) examples/demo.py

test: $(TEST_READY) ## the tests, then contracts that depend on JAX (what CI runs)
	$(ON_TENSORFLOW) $(PYTEST) -m "not slow" --durations=10
	$(ON_JAX) $(PYTEST) -m "not slow and not one_backend" tests/contracts

fast: $(TEST_READY) ## the tests on TensorFlow only
	$(ON_TENSORFLOW) $(PYTEST) -m "not slow"

test-full: $(TEST_READY) ## every test, both backends, mutations (105 minutes on two cores)
	$(ON_TENSORFLOW) $(PYTEST) --durations=25 --cov=keras_mpat --cov-fail-under=90
	$(ON_JAX) $(PYTEST) tests/contracts tests/callbacks/test_full_state.py \
	  tests/training/test_two_jax_processes.py tests/examples/test_distribution.py
	$(ON_TENSORFLOW) $(PY) -m tests.mutations --workers 2

check: $(DEV_READY) ## lint, format, types, architecture
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/test_architecture.py

docs: $(TEST_READY) ## write ERRORS.md and the README's table of Keras features
	$(ON_TENSORFLOW) $(PY) -m tests.contracts.write_errors
	$(ON_TENSORFLOW) $(PY) -m tests.contracts.write_features

upgrade: $(DEV_READY) ## newest versions of everything, without pins; then test, then lock
	$(PIP) install --quiet --upgrade --upgrade-strategy eager -e ".[dev]"

lock: $(DEV_READY) ## write the installed versions to requirements.lock (on Python 3.11)
	$(PIP) freeze --exclude-editable --exclude keras_mpat --exclude pip \
	  --exclude setuptools --exclude wheel > $(VENV)/freeze.txt
	{ sed -n '/^#/p' requirements.lock; \
	  sed -e '/^#/d' -e '/^-e /d' -e '/ @ /d' -e 's/+[0-9A-Za-z.]*$$//' \
	  $(VENV)/freeze.txt; } > $(VENV)/requirements.lock
	mv $(VENV)/requirements.lock requirements.lock
	@touch $(TEST_READY) $(DEV_READY)

wheel: $(DEV_READY) ## build, check and install the wheel in a fresh environment
	rm -rf build dist $(VENV)/wheel
	$(PY) -m build
	$(PY) -m twine check --strict dist/*
	$(PY) -m venv $(VENV)/wheel
	$(VENV)/wheel/bin/python -m pip install --quiet -c requirements.lock dist/*.whl
	cd dist && "$(abspath $(VENV)/wheel/bin/python)" -c \
	  'import keras_mpat.version as v; print("imported", v.__version__, v.__file__)'

# One inter-op thread: with TensorFlow's default, rounds fall into two groups (README).
bench: export TF_NUM_INTEROP_THREADS ?= 1
bench: $(TEST_READY) ## speed beside other packages (PEERS, TORCH: their Pythons), cost of a step
	$(PY) -m tests.benchmarks.throughput --python $(or $(PEERS),$(PY)) \
	  --torch_python $(or $(TORCH),$(PY)) --write results/throughput
	$(PY) -m tests.benchmarks.step_cost

clean: ## remove everything these targets made, .venv included (runs/ stays)
	rm -rf $(VENV) build dist keras_mpat.egg-info
	rm -rf .pytest_cache .ruff_cache .mypy_cache
	find keras_mpat tests -name __pycache__ -prune -exec rm -rf {} +

$(PY):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "No '$(PYTHON)' found. Install Python >= 3.11, or name one:" \
	    "make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "keras_mpat needs Python >= 3.11. Received: $(PYTHON) =" \
	    "$$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11 ..." >&2; \
	  exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "Could not create $(VENV). On Debian and Ubuntu: apt install" \
	    "python3-venv" >&2; exit 1; }

$(TEST_READY): EXTRAS := test
$(DEV_READY): EXTRAS := dev
$(TEST_READY) $(DEV_READY): pyproject.toml requirements.lock | $(PY)
	@echo "Installing keras_mpat[$(EXTRAS)] into $(VENV) (minutes the first time) ..."
	@$(PIP) install --quiet -c requirements.lock -e ".[$(EXTRAS)]" || { \
	  echo "Installation failed. If pip found no tensorflow, this Python is newer" \
	    "than its wheels: run 'make clean', then make PYTHON=python3.11 ..." >&2; \
	  exit 1; }
	@touch $@
