# make train: train a GAN; needs only Python.   make test: lint, types and tests.   PYTHON selects the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help train test test-all lint docs notebooks checkpoints classifiers clean

help:
	@echo "make train        install into .venv and train the preset mnist (ARGS='--epochs 3' adds options)"
	@echo "make test         install into .venv; lint, check types, run the tests"
	@echo "make test-all     the same, slow tests included; needs also Node with npm, and Chromium"
	@echo "make lint         ruff and mypy only"
	@echo "make docs         build the documentation site: build/docs/index.html"
	@echo "make notebooks    execute the notebooks in full (ARGS=01_quickstart: only this one)"
	@echo "make checkpoints  train and evaluate the pretrained generators again, on full MNIST"
	@echo "make classifiers  train the classifiers of the evaluation again: numbers are no longer comparable"
	@echo "make clean        remove .venv and caches"

train: .venv/installed
	$(BIN)/gan train $(ARGS)

test: lint
	$(BIN)/pytest -n 2 --dist loadfile --durations 20

test-all: lint .venv/installed-docs .venv/installed-ray
	GAN_TEST_ALL=1 $(BIN)/pytest -n 2 --dist loadfile -m "slow or not slow"

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed-docs
	rm -rf build/docs
	$(BIN)/python docs/build.py build/docs
	@echo "The site is in build/docs/index.html"

notebooks: .venv/installed-test
	$(BIN)/python notebooks/execute.py $(ARGS)

# Trains each model in build/, and moves it when finished. Keeps only the last sample grid and the animation.
checkpoints: .venv/installed
	for pretrained in mnist:mnist-best mnist-mlp:mnist-mlp mnist-unconditional:mnist-unconditional; do \
		name=$${pretrained%:*} && made=build/checkpoints/$$name && rm -rf $$made && \
		$(BIN)/gan train $${pretrained#*:} --dataset-fallback none --output $$made && \
		(cd $$made/samples && ls *.png | sort -r | tail -n +2 | xargs rm) && rm -r $$made/state && \
		rm -rf checkpoints/$$name && mv $$made checkpoints/$$name || exit 1; \
		$(BIN)/gan evaluate $$name --tolerance 0.02 --output checkpoints/$$name; case $$? in 0|3|4) ;; *) exit 1; esac; done  # 0, 3, 4: verdicts

# Other classifiers would change every number of an evaluation. They are pinned; these commands trained them.
# `mnist-reader` needs the extra photographs, and differs from machine to machine.
classifiers: .venv/installed
	for name in mnist-classifier mnist-probe; do \
		rm -rf build/checkpoints/$$name && $(BIN)/gan train-classifier $$name --output build/checkpoints/$$name && \
		rm -rf checkpoints/$$name && mv build/checkpoints/$$name checkpoints/$$name || exit 1; done
	$(BIN)/python -m pip install --quiet --editable '.[photographs]'
	rm -rf build/checkpoints/mnist-reader && $(BIN)/python -m benchmarks.mnist_reader build/checkpoints/mnist-reader && \
		rm -rf checkpoints/mnist-reader && mv build/checkpoints/mnist-reader checkpoints/mnist-reader

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Expected Python 3.11 or newer. Received: $$($(PYTHON) --version 2>&1). Set another interpreter: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-test: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ .venv/installed

.venv/installed-docs: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@ .venv/installed

.venv/installed-ray: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[ray]'
	@touch $@ .venv/installed

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
