# Each target is a thin wrapper of bootstrap.py, which serves machines without make.
PYTHON ?= python3
# Where a local installation keeps everything; `make up DATA=data/demo` opens the demo's.
ifdef DATA
export CRYPTOPATTERN_DATA := $(abspath $(DATA))
endif

.PHONY: demo up down serve doctor test backfill bench audit

demo:       ## set up, and run the bundled sample through every asset
	@$(PYTHON) bootstrap.py demo

up:         ## open the Dagster UI, with schedules and sensors
	@$(PYTHON) bootstrap.py up

down:       ## stop what was started
	@$(PYTHON) bootstrap.py down

serve:      ## make serve [DATA=data/demo]: pages and REST interface on http://127.0.0.1:5000
	@$(PYTHON) bootstrap.py run serve

doctor:     ## say what is wrong with the installation, and the line that mends it
	@$(PYTHON) bootstrap.py doctor

test:       ## set up, and run everything that CI runs
	@$(PYTHON) bootstrap.py test

ifneq ($(filter backfill,$(MAKECMDGOALS)),)
ifeq ($(and $(FROM),$(TO)),)
$(error give the range: make backfill FROM=2024-06-20 TO=2024-08-19 (TO is not included))
endif
endif

backfill:   ## make backfill FROM=2024-06-20 TO=2024-08-19 [ARCHIVE=folder or address]: fill a range, TO not included
	@$(PYTHON) bootstrap.py backfill --from "$(FROM)" --to "$(TO)" $(if $(ARCHIVE),--archive "$(ARCHIVE)")

bench:      ## make bench [ONLY=name] [JSON=file] [MARKDOWN=file]: measure against the rivals, all figures in one table
	@$(PYTHON) bootstrap.py bench $(ONLY) $(if $(JSON),--json "$(JSON)") $(if $(MARKDOWN),--markdown "$(MARKDOWN)")

audit:      ## ask which of the pinned packages have known vulnerabilities; needs the network
	@$(PYTHON) bootstrap.py audit
