# Martlet's commands. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Every target runs swift build, which uses all cores by itself.
.NOTPARALLEL:

# The board whose firmware is built: a folder below boards.
BOARD ?= ast1030-evb
# Seconds that each fuzz target runs in `make fuzz`, and in `make test`.
FUZZ_SECONDS ?= 30
FUZZ_SECONDS_IN_TEST ?= 5

.PHONY: help setup build firmware figures vectors demo test hil check size cost bench campaign fuzz install uninstall clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what is missing (Debian and Ubuntu)
	@scripts/setup

build: ## build the service, the bridge and the tools
	@scripts/bearssl
	@echo "build: service, bridge and tools (the first time takes some minutes)"
	@swift build

firmware: ## build the demo firmware; BOARD=ast1030-evb unless told
	@scripts/firmware $(BOARD)

demo: setup firmware build ## see crashes travel from an emulated board to the service
	@.build/debug/martlet-demo

# For this target and all it needs: a warning in Martlet's own sources is an error, in both worlds.
test: export MARTLET_STRICT := 1
test: setup firmware vectors ## run every test, with warnings as errors
	@echo "test: fuzzing each decoder for $(FUZZ_SECONDS_IN_TEST) s"
	@scripts/fuzz $(FUZZ_SECONDS_IN_TEST)
	@echo "test: building programs and tests (the first time takes some minutes)"
	@swift build --build-tests
	@scripts/hil
	@scripts/test

# Here a BOARD on the command line is the USB serial number of a board on this desk.
hil: desk_board := $(if $(filter command%,$(origin BOARD)),$(BOARD))
hil: setup ## run the bench, emulated; BOARD=<USB serial number>: with that board
	@if [ -z "$(desk_board)" ]; then scripts/firmware && scripts/hil; fi
	@scripts/bearssl
	@echo "hil: building the tests"
	@MARTLET_TESTS=HILTests swift build --build-tests
	@echo "hil: running the scenarios on $(or $(desk_board),emulated boards)"
	@MARTLET_TESTS=HILTests MARTLET_HIL_BOARD=$(desk_board) swift test --skip-build --disable-xctest --filter HILTests

check: firmware figures ## check formatting, the firmware's symbols, its size and its cost
	@scripts/check $(BOARD)

# The image that runs the vectors of the device's cryptography.
vectors:
	@scripts/firmware $(BOARD) VectorApp

# The images that figures are measured on.
figures:
	@scripts/firmware $(BOARD) CaptureApp
	@scripts/firmware $(BOARD) CostApp

size: firmware figures ## print text, data and bss of each firmware module
	@scripts/size $(BOARD)

cost: figures ## count the instructions of capture and mount in the emulator
	@scripts/cost $(BOARD)

bench: setup ## measure the service in release beside the raw limits of this machine
	@scripts/bench

campaign: setup firmware vectors ## run the long seeded campaigns in full; MARTLET_SEED repeats a run
	@scripts/campaign

fuzz: ## fuzz each decoder for 30 s
	@scripts/fuzz $(FUZZ_SECONDS)

install: ## install programs, systemd unit and udev rules; PREFIX=/usr/local DESTDIR=
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install

uninstall: ## remove what make install installed
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install uninstall

clean: ## delete everything that was built
	rm -rf .build .build-*
