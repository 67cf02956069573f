.PHONY: check lint types imports test bench

check: lint types imports test  ## everything a change must pass

lint:
	ruff check .
	ruff format --check .

types:
	mypy

imports:
	lint-imports

test:
	pytest

bench:
	python -m benchmarks.run
