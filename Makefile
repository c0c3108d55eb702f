# Everything a person or CI runs. Each target sets up what it needs in .venv; nothing but Python >= 3.10 and make is assumed.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
PACKAGES := target-braze tap-braze-currents plugins/braze-sandbox
STAMP := .venv/.installed

.PHONY: demo test lint bench soak clean lock setup

setup: $(STAMP)

$(STAMP): requirements.lock $(addsuffix /pyproject.toml,$(PACKAGES))
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(addprefix -e ./,$(PACKAGES))
	touch $@

demo: $(STAMP)
	$(BIN)/python demo/run.py

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

soak: $(STAMP)
	$(BIN)/python -m pytest -m soak

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(foreach folder,$(PACKAGES),$(BIN)/mypy $(folder) &&) $(BIN)/mypy tests benchmarks demo conftest.py

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/run_tap.py

# Versions and hashes of everything in .venv, without the address of any registry (docs/decisions/0001).
lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header \
	  --group dev $(addsuffix /pyproject.toml,$(PACKAGES)) -o requirements.lock

clean:
	-$(BIN)/python demo/run.py --stop
	rm -rf .venv .meltano .demo .target-braze .braze-sandbox
