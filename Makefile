# Works with spaces in the path, as root and as a plain user, and beside another copy (PORT=8001).
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

PORT ?= 8000
DATA ?=
DO ?=
ARGS ?=
export PORT DATA

PYTHONS ?= python3.11 python3.12 python3.13 python3 /usr/bin/python3.11 /usr/bin/python3
PY := .venv/bin/python
WORKERS ?= 2
PYTEST := $(PY) -m loyaltycrm.local test -- -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

.PHONY: help env demo run test faults soak check bench audit texts texts-compile clean

help: ## say what there is
	@echo 'make demo             a living sample shop: address and logins are printed; Ctrl-C stops it'
	@echo 'make demo DATA=dir    the same with the purchases in that folder; PORT=8001 for another port'
	@echo 'make run DO="..."     a command on the demo data, for example DO="manage.py audit_ledger"'
	@echo 'make test             the tests, with servers of their own; ARGS="-k name" for some of them'
	@echo 'make faults           tests that kill processes, long properties, every page in a browser'
	@echo 'make soak             tests that run for long'
	@echo 'make check            format, lint, types, imports, migrations, texts, settings'
	@echo 'make bench            measure, each figure against its bare counterpart'
	@echo 'make audit            known vulnerabilities of the pinned packages'
	@echo 'make texts            collect the texts to translate; make texts-compile after translating'
	@echo 'make env              only the environment: .venv and .env'
	@echo 'make clean            remove all that the above made'

env: ## .venv with the pinned packages, .env with a fresh secret key
	@for candidate in "$${PYTHON:-}" $(PYTHONS); do \
		if [ -n "$$candidate" ] && "$$candidate" -c \
			'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then \
			exec "$$candidate" -B loyaltycrm/local/environment.py; \
		fi; \
	done; \
	echo 'Python 3.11, 3.12 or 3.13 was not found. Install one (Debian: apt-get install python3.11 python3.11-venv),' >&2; \
	echo 'or name it: make PYTHON=/path/to/python3.11 env' >&2; \
	exit 1

demo: env ## the sample shop
	@exec $(PY) -m loyaltycrm.local demo --port "$$PORT" --data "$$DATA"

run: env ## a command on the demo data
	@exec $(PY) -m loyaltycrm.local run --data "$$DATA" $(PY) $(DO)

test: env ## all but faults and soak
	@exec $(PYTEST) -m "not faults and not soak" $(ARGS)

faults: env ## killed processes, properties, the browser matrix
	@exec $(PYTEST) -m "faults and not soak" $(ARGS)

soak: env ## long runs; there being none yet is not an error
	@$(PYTEST) -m soak $(ARGS); code=$$?; if [ $$code -eq 5 ]; then echo 'There is no soak test yet.'; else exit $$code; fi

check: env ## what a machine can judge
	@exec $(PY) -m loyaltycrm.local check

bench: env ## measurements
	@if [ -f bench/__main__.py ]; then exec $(PY) -m bench $(ARGS); else echo 'Nothing is measured yet: there is no bench/.'; fi

audit: env ## known vulnerabilities; fails when a package could not be looked up
	@$(PY) -m pip_audit --strict --disable-pip --require-hashes -r requirements.txt -r requirements-dev.txt || { \
		echo 'A package has a known problem, or one could not be looked up (is the network there?); it is named above.' >&2; \
		exit 1; }

texts: env ## collect texts to translate
	@exec $(PY) manage.py makemessages

texts-compile: env ## compile translations, without gettext
	@exec $(PY) -m loyaltycrm.local compile-texts

clean: ## remove everything made here
	@for candidate in "$${PYTHON:-}" $(PYTHONS); do \
		if [ -n "$$candidate" ] && "$$candidate" -c '' >/dev/null 2>&1; then exec "$$candidate" -B loyaltycrm/local/cleaning.py; fi; \
	done; \
	echo 'No Python was found to clean up with.' >&2; exit 1
