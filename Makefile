# Everything works from a fresh clone: each target first sets up .venv, once per version of pyproject.toml.
# Needs Python 3.11 or newer, g++, make and perl; Icarus Verilog is used if it is installed.

PYTHON ?= python3
JOBS ?= auto
CONFIG ?= grai_vip
TOPS := peg esu neuron memory evaluation timestep router core

BIN := .venv/bin
READY := .venv/.ready
TORCH := build/training/bin/python
TRAINING := build/training/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-pilotnet demo-ttfs demo-resnet50 demo-learning demo-cim test test-all check bench bench-models bench-lanes mutations models measured frameworks train-digits train-gesture conversion test-training verilog area clean

help: ## say what the targets do, and how long they take [1 s]
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { time = what = $$2; sub(/ \[[^[]*$$/, "", what); sub(/.* \[/, "", time); \
	  sub(/\]$$/, "", time); printf "  make %-13s %s\n%21sabout %s\n", $$1, what, "", time }' $(MAKEFILE_LIST)
	@echo "Times are those of 2 processors without other work, after the setup."

setup: $(READY) ## install Synapress and its tools into .venv, as each target does first [2 min, estimated, once]

demo: $(READY) ## run handwritten digits through the RTL and compare with the golden model bit for bit [1 min]
	@$(BIN)/synapress demo

demo-pilotnet: $(READY) ## run three frames of PilotNet through the RTL of 3 cores and of 2, equal to the golden model [4 min]
	@$(BIN)/synapress demo-pilotnet

demo-ttfs: $(READY) ## run 100 digits through neurons that spike once, every spike time of the RTL equal to the integer network's [1 min]
	@$(BIN)/synapress demo-ttfs

demo-resnet50: $(READY) ## replay a frame of ResNet50 in the RTL of its 182 cores, one by one, equal to the golden mesh; NETWORK=mobilenet: another network [11 min]
	@$(BIN)/synapress demo-resnet50 $(if $(NETWORK),--network $(NETWORK))

demo-learning: $(READY) ## teach a spiking network a picture in RTL, in three memory organisations, equal to the golden model; loss, rasters, energy [1 min]
	@$(BIN)/synapress demo-learning

demo-cim: $(READY) ## run a gesture through compute-in-memory arrays in RTL, layer by layer at full size, equal to the golden model; what stays, energy [1 min]
	@$(BIN)/synapress cim --run rtl --trained --search recorded --figures build/demo-cim

test: $(READY) ## run the tests without the long sweeps [16 min]
	@$(BIN)/pytest -m "not long" -n $(JOBS) --dist worksteal

test-all: $(READY) ## run every test [1 h, estimated]
	@$(BIN)/pytest -n $(JOBS) --dist worksteal

check: $(READY) ## style (ruff) and types (mypy) [30 s, estimated]
	@echo "ruff: style and common mistakes"
	@$(BIN)/ruff check .
	@echo "mypy: types"
	@$(BIN)/mypy

bench: $(READY) ## utilization of the core, speed and cycles of the whole-network model, speed of the RTL, time to map known networks [4 min]
	@$(BIN)/python -m benchmarks.core --json build/benchmarks/core.json
	@$(BIN)/python -m benchmarks.evaluation --json build/benchmarks/evaluation.json
	@$(BIN)/python -m benchmarks.short_events --json build/benchmarks/short_events.json
	@$(BIN)/python -m benchmarks.network --json build/benchmarks/network.json
	@$(BIN)/python -m benchmarks.simulation --json build/benchmarks/simulation.json
	@$(BIN)/python -m benchmarks.mapping --json build/benchmarks/mapping.json --figure build/benchmarks/mapping.png

bench-models: $(READY) ## compile and run full-size ONNX networks: cores, times, accuracy; needs 4 GB [6 min, estimated]
	@$(BIN)/python -m benchmarks.models --json build/benchmarks/models.json

bench-lanes: $(READY) ## logic per useful operation and cycle of cores of 4, 8 and 16 lanes, beside SNE's [6 min, estimated]
	@$(BIN)/python -m benchmarks.lanes --json build/benchmarks/lanes.json

mutations: $(READY) ## apply mutations to the RTL and check that tests fail [30 min, estimated]
	@$(BIN)/python -m studies.mutations

models: $(READY) ## compile a trained ONNX and a trained NIR network, run them in RTL, write reports [20 s]
	@$(BIN)/python -m examples.trained_models

measured: $(READY) ## run all measurements and write docs/measured.md; ONLY="demo area": only these sections [45 min, estimated]
	@$(BIN)/python -m studies.measured $(if $(ONLY),--only $(ONLY))

# sinabs wants nir 1.0.4 at most, whose files the other two no longer write; with the newer one it works.
frameworks: ## write tests/frameworks again, with snnTorch, sinabs and Norse (and PyTorch) in an environment of their own [10 min, estimated]
	@echo "installing PyTorch and three frameworks into build/frameworks (some GB) ..."
	@$(PYTHON) -m venv build/frameworks
	@build/frameworks/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 snntorch==1.0.0 \
	  norse==1.1.0 nirtorch==2.0.2 nir==1.0.8 pbr matplotlib
	@build/frameworks/bin/python -m pip install --quiet --disable-pip-version-check --no-deps sinabs==3.1.3
	@build/frameworks/bin/python -W ignore -m studies.frameworks

train-digits: $(TRAINING) ## train the network of spikes in time for digits and write its file; goes on if it was interrupted [2 min]
	@$(TORCH) -m synapress.zoo.spike_time_digits.train

train-gesture: $(TRAINING) ## train the gesture network on drawn gestures and write its file [15 min, estimated]
	@$(TORCH) -m synapress.zoo.gesture.train

conversion: $(TRAINING) ## accuracy of spikes in time with and without conversion-aware training, 15 networks; goes on if it was interrupted [20 min, estimated]
	@$(TORCH) -m studies.conversion

test-training: $(TRAINING) ## run the tests of synapress.training, with PyTorch in an environment of its own [1 min, estimated]
	@$(TORCH) -m pytest tests/training

verilog: $(READY) ## write Verilog and a JSON description of every block, CONFIG=preset or file, into build/verilog [25 s]
	@$(BIN)/synapress verilog $(TOPS) --config $(CONFIG) --output build/verilog

area: $(READY) ## estimate the area of every block, CONFIG=preset or file; FMAX=1: place and route too [2 min; 5 min with FMAX=1, estimated]
	@$(BIN)/synapress area $(TOPS) --config $(CONFIG) --target all $(if $(FMAX),--fmax)

clean: ## remove everything built, but not .venv [1 s]
	@echo "removing build/* and caches"
	@find build -mindepth 1 -maxdepth 1 ! -name .gitignore -exec rm -rf {} +
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(TRAINING): pyproject.toml
	@echo "installing PyTorch into build/training (some GB, once) ..."
	@$(PYTHON) -m venv build/training
	@$(TORCH) -m pip install --quiet --disable-pip-version-check --editable '.[data,models,training]' pytest onnxruntime
	@touch $@

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Synapress needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "installing Synapress and its tools into .venv (about 500 MB, once) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	@touch $@
