PY := .venv/bin/python

.PHONY: env demo test test-rgw test-browser test-deploy test-cluster compose-env lint bench lock

env: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml tools/newest_python.sh
	python=$$(sh tools/newest_python.sh) && rm -rf .venv && $$python -m venv .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	$(PY) -m uv pip sync --quiet --python $(PY) --require-hashes requirements.lock
	$(PY) -m uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	touch $@

demo: env
	$(PY) -m packages.cli.main demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT)) \
	  $(if $(AIRFLOW_PORT),--airflow-port $(AIRFLOW_PORT))

test: env
	$(PY) -m pytest -n 2

test-rgw: env
	$(PY) -m pytest -m rgw --timeout 600

test-browser: env
	$(PY) -m pytest -m browser --timeout 600

test-deploy: env
	$(PY) -m pytest -m deploy --timeout 3600 tests/deploy

test-cluster: env
	$(PY) -m pytest -m cluster --timeout 7200 tests/cluster

compose-env:
	python3 tools/compose_env.py

lint: env
	$(PY) -m ruff check --no-cache .
	$(PY) -m ruff format --check --no-cache .
	$(PY) -m mypy -p zarr_fuse -p packages.common -p packages.cli -p services
	.venv/bin/lint-imports

bench: env
	$(PY) -m bench

lock: env
	$(PY) -m uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --quiet -o requirements.lock
