# make train: a trained GAN from nothing but Python.   make test: lint, types and tests.   PYTHON picks the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help train test test-all lint notebooks checkpoints clean

help:
	@echo "make train        install into .venv and train the preset mnist (ARGS='--epochs 3' adds options)"
	@echo "make test         install into .venv; lint, types, tests"
	@echo "make test-all     the same with the slow tests"
	@echo "make lint         ruff and mypy only"
	@echo "make notebooks    execute the notebooks in full (ARGS=01_quickstart: one of them)"
	@echo "make checkpoints  train the shipped checkpoints again, on full MNIST"
	@echo "make clean        remove .venv and caches"

train: .venv/installed
	$(BIN)/gan train $(ARGS)

test: lint
	$(BIN)/pytest -n 2 --dist loadfile

test-all: lint
	$(BIN)/pytest -n 2 --dist loadfile -m "slow or not slow"

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: .venv/installed-test
	$(BIN)/python notebooks/execute.py $(ARGS)

# Each is made beside and put in place when it is done. Of the samples, the last grid and the film are shipped.
checkpoints: .venv/installed
	rm -rf build/checkpoints
	$(BIN)/gan train-classifier mnist-classifier --output build/checkpoints/mnist-classifier
	$(BIN)/gan train-classifier mnist-probe --output build/checkpoints/mnist-probe
	$(BIN)/gan train mnist --dataset-fallback none --output build/checkpoints/mnist
	cd build/checkpoints/mnist/samples && ls *.png | sort -r | tail -n +2 | xargs rm
	rm -r build/checkpoints/mnist/state
	for name in mnist-classifier mnist-probe mnist; do \
		rm -rf checkpoints/$$name && mv build/checkpoints/$$name checkpoints/$$name || exit 1; done
	$(BIN)/gan evaluate mnist --output checkpoints/mnist; case $$? in 0|3|4) ;; *) exit 1; esac  # verdicts, or failed

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Expected Python 3.11 or newer. Received: $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-test: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ .venv/installed

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
