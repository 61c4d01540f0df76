# Two commands matter: `make run` opens the studio, `make test` passes the tests. Both set up first.
.PHONY: help install run test check bench

help:
	@echo "make run      set up, then open the studio in the browser"
	@echo "make test     set up, then run the tests"
	@echo "make install  set up only: .venv with the synfer command"
	@echo "make check    lint, formatting and types"
	@echo "make bench    seconds from recipe to image and to report on this machine"

install:
	sh scripts/install

run: install
	.venv/bin/synfer serve --open

test:
	sh scripts/test

check:
	sh scripts/check

bench:
	sh scripts/bench
