# airchain from a fresh clone: a Debian 12 with rustc, cargo, gcc and make needs nothing else.
#
#   make play              build, and put the demo programme on air at http://127.0.0.1:8000/
#   make play MUSIC=dir    the same with your own music
#   make test              all tests, against real peers (icecast2, ffmpeg, ...)
#   make check-deep        loom, ThreadSanitizer and, where it is there, miri on the lock-free code (docs/real-time.md)
#   make wheel             the Python package, as target/wheels/airchain-*.whl
#   make fuzz SECONDS=600  fuzz every target that long, TARGET=decode one (docs/fuzzing.md)

SHELL := /bin/bash
CARGO ?= cargo
MUSIC ?= demo
LISTEN ?= 127.0.0.1:8000
# More flags for `airchain play`, such as PLAY='--crossfade 3 --record /tmp/rec'.
PLAY ?=

# Builds are from scratch or in CI more often than not; incremental ones cost disk and time there.
export CARGO_INCREMENTAL := 0

# The bundled codecs are compiled from source: libopus by cmake, FDK-AAC by g++.
BUILD_PACKAGES := cmake g++ make
# Peers that the tests run: servers, a browser, encoders, decoders, and real music (Ogg Vorbis).
PYTHON_PACKAGES := python3 python3-venv
TEST_PACKAGES := $(BUILD_PACKAGES) $(PYTHON_PACKAGES) ca-certificates chromium chromium-driver ffmpeg flac frozen-bubble-data icecast2 \
	lame nginx openssl opus-tools strace vorbis-tools

# `PACKAGES=no` leaves the system alone.
PACKAGES ?= yes
packages = $(if $(filter yes,$(PACKAGES)),scripts/packages $(1))

# Python: the package is built and tested in a virtual environment of its own.
PYTHON ?= python3
VENV := target/python

.PHONY: help build play test test-rust test-python test-manager test-player wheel check check-deep fuzz fuzz-seeds bench bench-instructions bench-listeners bench-stations compare figures figures-dsp figures-latency figures-loudness figures-python deps docs plots demo clean

help:
	@sed -n 's/^#   //p' Makefile
	@echo "make check | check-deep | test-player | bench | bench-instructions | bench-listeners | bench-stations | compare | figures | figures-latency | figures-dsp | figures-loudness | figures-python | deps | docs | plots | demo | clean    see README.md"

build:
	@$(call packages,$(BUILD_PACKAGES))
	$(CARGO) build --release --locked -p airchain-server

play: build
	$(CARGO) run --quiet --release --locked -p airchain-server -- play --listen $(LISTEN) --loop $(PLAY) "$(MUSIC)"

test: test-rust test-python test-manager

test-rust: deps
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --locked --workspace --no-fail-fast && $(CARGO) test --locked --workspace --doc; \
	else \
		set -x; $(CARGO) test --locked --workspace --no-fail-fast; \
	fi
	$(CARGO) test --locked -p airchain-outputs -p airchain --features airchain/srt --test srt
	$(CARGO) test --locked -p airchain-outputs -p airchain --features airchain/srt --test faults -- srt:: clock::

# The wheel is built as the tests are, so that what they have compiled is used again.
test-python: deps $(VENV)/installed
	rm -rf target/wheels/test
	cd bindings-python && $(abspath $(VENV))/bin/maturin build --quiet --locked --profile dev --out ../target/wheels/test
	$(VENV)/bin/pip install --quiet --force-reinstall --no-deps target/wheels/test/*.whl
	cd bindings-python && $(abspath $(VENV))/bin/python -m pytest --quiet

# The example that one would deploy, with the package that test-python has installed.
MANAGER := examples/hls-manager
test-manager: test-python $(VENV)/manager-installed target/hls.js/hls.min.js
	cd $(MANAGER) && $(abspath $(VENV))/bin/mypy && $(abspath $(VENV))/bin/python -m pytest --quiet --numprocesses 6 --dist worksteal

# hls.js and dash.js in Chromium play a minute of each kind of HLS and DASH, which takes some minutes.
test-player: deps target/hls.js/hls.min.js target/dash.js/dash.mediaplayer.min.js
	$(CARGO) test --locked -p airchain-server --test hls_js --test dash_js -- --ignored --nocapture

# Players of HLS and DASH, which run in Chromium. Without npm their tests are skipped.
target/hls.js/hls.min.js:
	$(call from-npm,hls.js,1.7.4,dist/hls.min.js)

target/dash.js/dash.mediaplayer.min.js:
	$(call from-npm,dashjs,5.2.1,dist/modern/umd/dash.mediaplayer.min.js)

# A file of a package of a version.
define from-npm
	mkdir -p $(@D)
	@if command -v npm >/dev/null; then set -x; \
		cd $(@D) && npm pack --silent $(1)@$(2) && tar --extract --gzip --transform 's,.*/,,' --file $(1)-$(2).tgz package/$(3); \
	else echo "there is no npm to take $(1) with"; fi
endef

# Memory over 10 000 stations, events at asyncio, relays beside one ffmpeg each: tables for docs/python.md.
figures-python: wheel
	@$(call packages,ffmpeg)
	$(VENV)/bin/pip install --quiet --force-reinstall --no-deps target/wheels/*.whl
	$(VENV)/bin/python bindings-python/figures/relay.py 16 60
	$(VENV)/bin/python bindings-python/figures/latency.py 60
	$(VENV)/bin/python bindings-python/figures/cycles.py 10000

wheel: $(VENV)/installed
	@$(call packages,$(BUILD_PACKAGES))
	cd bindings-python && $(abspath $(VENV))/bin/maturin build --release --locked --out ../target/wheels

$(VENV)/installed: bindings-python/requirements.txt
	@$(call packages,$(PYTHON_PACKAGES))
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(VENV)/manager-installed: $(MANAGER)/requirements-test.txt $(VENV)/installed
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

check:
	@$(call packages,$(BUILD_PACKAGES))
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p airchain-benches --all-targets --features instructions -- -D warnings
	$(CARGO) clippy --locked -p airchain-server -p airchain-outputs -p airchain --all-targets --features airchain-server/srt -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --locked --workspace --no-deps

check-deep:
	@$(call packages,$(BUILD_PACKAGES))
	CARGO=$(CARGO) scripts/check-deep

# What is found is minimised and kept in fuzz/regressions/, which the tests replay.
SECONDS ?= 60
TARGET ?=

fuzz:
	@$(call packages,$(BUILD_PACKAGES) ffmpeg)
	scripts/fuzz $(SECONDS) $(TARGET)

# What fuzzing begins with, into fuzz/corpus/.
fuzz-seeds:
	@$(call packages,$(BUILD_PACKAGES) ffmpeg)
	$(CARGO) run --quiet --locked -p airchain-fuzz --example seeds -- $(TARGET)

bench:
	@$(call packages,$(BUILD_PACKAGES) ffmpeg)
	$(CARGO) bench --locked --workspace

# Instructions of a block, counted by valgrind: the same on a busy machine. BASELINE='--save-baseline=main', then
# BASELINE='--baseline=main' on another revision, says what has changed.
GUNGRAUN := 0.20.0
BASELINE ?=

bench-instructions: target/gungraun-$(GUNGRAUN)/bin/gungraun-runner
	@$(call packages,$(BUILD_PACKAGES) valgrind)
	GUNGRAUN_RUNNER=$(abspath $<) $(CARGO) bench --locked -p airchain-benches --features instructions --bench instructions -- $(BASELINE)

target/gungraun-$(GUNGRAUN)/bin/gungraun-runner:
	$(CARGO) install --quiet --locked --root target/gungraun-$(GUNGRAUN) gungraun-runner@$(GUNGRAUN)

# airchain beside other tools on the same job in the same run, into docs/benchmarks.md and its picture. QUICK=yes tries it
# out in two minutes and writes nothing.
COMPARE_PACKAGES := ffmpeg icecast2 liquidsoap gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
	gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
QUICK ?=

compare: build
	@$(call packages,$(COMPARE_PACKAGES))
	$(CARGO) run --quiet --release --locked -p airchain-benches --bin compare -- target/release/airchain \
		$(if $(QUICK),--seconds 6 --emergencies 10 --starts 1,--write docs)

# From a command, and from the start of the process, to what is heard, into docs/benchmarks.md unless QUICK=yes.
figures-latency: build
	@$(call packages,ffmpeg icecast2)
	$(CARGO) run --quiet --release --locked -p airchain-benches --bin latency -- target/release/airchain $(if $(QUICK),20 3,300 20 --write docs)

# What 500 direct listeners of one mount cost, beside icecast2 with as many, into docs/benchmarks.md unless QUICK=yes.
bench-listeners: build
	@$(call packages,ffmpeg icecast2)
	$(CARGO) run --quiet --release --locked -p airchain-benches --bin bench-listeners -- target/release/airchain $(if $(QUICK),50 5,500 60 --write docs)

# How many stations this machine carries, and what each costs beside the bare codecs: a table for docs/figures.md.
STATIONS ?= 1,8,32
STATION_FLAGS ?= --max
bench-stations: build target/bench-music
	target/release/airchain bench-stations target/bench-music --stations $(STATIONS) $(STATION_FLAGS)

# Twelve pieces, MP3 128k, at most 150 s of each.
target/bench-music:
	@$(call packages,ffmpeg wesnoth-1.16-music)
	mkdir -p $@.part
	for piece in $$(ls /usr/share/games/wesnoth/1.16/data/core/music/*.ogg | head -12); do \
		ffmpeg -nostdin -v error -y -t 150 -i $$piece -ar 44100 -b:a 128k $@.part/$$(basename $$piece .ogg).mp3 || exit 1; \
	done
	mv $@.part $@

# What a station costs, beside ffmpeg doing the same job in the same run: a table for docs/figures.md.
figures: build
	@$(call packages,ffmpeg)
	$(CARGO) run --quiet --release --locked -p airchain-benches --bin figures -- target/release/airchain

# What the presets and their nodes cost, beside ebur128 in the same run, and their worst block: tables for docs/figures.md.
figures-dsp:
	@$(call packages,$(BUILD_PACKAGES))
	$(CARGO) run --quiet --release --locked -p airchain-benches --bin figures_dsp

# How loud a real playlist of music and speech leaves a station: the table of docs/loudness.md.
figures-loudness:
	@$(call packages,$(BUILD_PACKAGES) espeak-ng wesnoth-1.16-music)
	$(CARGO) run --quiet --release --locked -p airchain-benches --bin loudness -- /usr/share/games/wesnoth/1.16/data/core/music

deps:
	@$(call packages,$(TEST_PACKAGES))

# The station file's reference, from the tables that the checker uses.
docs:
	mkdir -p docs
	$(CARGO) run --quiet --locked -p airchain-server -- check --reference > target/station-file.md
	mv target/station-file.md docs/station-file.md

# The figures of docs/processing.md, measured from the nodes.
plots:
	mkdir -p docs/plots
	$(CARGO) run --quiet --release --locked -p testkit --example plots -- docs/plots

# The demo programme, composed and played anew; the files in demo/ are its output.
demo:
	@$(call packages,ffmpeg)
	$(CARGO) run --quiet --release --locked -p testkit --example make_demo -- demo

clean:
	$(CARGO) clean
