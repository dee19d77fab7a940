# Everything runs in .venv, which each target sets up by itself.
PYTHON ?= python3
BIN := .venv/bin

# The tests start many processes: each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test faults survival check screens bench clean

# The demo needs what users install, everything else what developers do. Either is marked once it is there;
# the larger one stands for the smaller.
.venv/.users: pyproject.toml
	$(call install,server,a third of a minute,--no-compile)

.venv/.ready: pyproject.toml
	$(call install,dev,a minute)
	@touch .venv/.users

define install
@$(PYTHON) -c 'import sys; sys.exit("litebatch needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12") if sys.version_info < (3, 11) else 0'
@echo "setting up .venv (once, about $(2))"
@test -x $(BIN)/python || $(PYTHON) -m venv .venv
@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(3) --editable '.[$(1)]'
@touch $@
endef

demo: .venv/.users
	@$(BIN)/litebatch demo

test: .venv/.ready
	@$(BIN)/python -m tests.browser.needs
	@$(BIN)/python -m pytest -p tests.workers --workers 5 $(ARGS)

# An inference server of others, which only the long run needs.
.venv/.llama: .venv/.ready tests/llama/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement tests/llama/requirements.txt
	@touch $@

faults: .venv/.llama
	@$(BIN)/python -m pytest -n 5 --dist worksteal -m long --timeout 900 $(ARGS)

survival: .venv/.ready
	@$(BIN)/python -m tests.survival --database sqlite $(ARGS)
	@$(BIN)/python -m tests.survival --database postgresql $(ARGS)

check: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m long tests/host/test_wheel.py

screens: .venv/.ready
	@LITEBATCH_SCREENS=write $(BIN)/python -m pytest -q -m "" tests/cli/test_screens.py

bench: .venv/.ready
	@$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .axe .pictures build dist
