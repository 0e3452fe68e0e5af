# make            release binaries in bin/            make test     every test, with a line that counts them
# make demo       the main job, shown step by step     make check    format, import table, lint
# make bench      medians beside other engines         make install  PREFIX=/usr/local DESTDIR=
# make test-vm    the same on Debian's own kernel      make conformance SUITE=DIR  runc's own integration tests
# make test-power-cuts  kill -9 of a virtual machine at work, COUNT=50 times
# make fuzz       libFuzzer over documents, archives and protocol, SECONDS=600 for each part
# make fuzz-differential  our tars beside GNU tar's, bsdtar's and Python's, SECONDS=600
SHELL = /bin/bash
.SHELLFLAGS = -euo pipefail -c
PREFIX ?= /usr/local
SWIFT ?= swift
IN ?= vm
export APUS_BIN ?= $(CURDIR)/bin

programs = apus apus-runtime

.PHONY: all release packages fixtures test sweep test-vm test-power-cuts test-engines differential fuzz fuzz-differential conformance demo bench bench-runtime bench-images bench-scale check format install clean help
all: release

## release: the two static binaries, stripped, in bin/
release:
	$(SWIFT) build -c release --static-swift-stdlib
	mkdir -p bin
	# strip writes in small pieces; what is copied in large ones lies in large folios, and starts a tenth faster.
	for program in $(programs); do \
	    strip -o "bin/$$program.stripped" "$$($(SWIFT) build -c release --show-bin-path)/$$program"; \
	    cp "bin/$$program.stripped" "bin/$$program.new"; \
	    rm "bin/$$program.stripped"; \
	    chmod 755 "bin/$$program.new"; \
	    mv "bin/$$program.new" "bin/$$program"; \
	done

## packages: install the Debian packages that are missing (needs root only when some are)
packages:
	scripts/install-packages

## fixtures: root file systems, archives and layer tars in rootfs-fixtures/out/
fixtures: packages
	rootfs-fixtures/make

## test: every test; the last line counts them
test: packages
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	scripts/test

## test-vm: in a virtual machine with Debian's kernel, the tests that speak with the kernel; VM_TESTS=short: fewer
test-vm: packages
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	$(SWIFT) build --build-tests
	Tests/VM/tests $(VM_TESTS)

## test-power-cuts: kills a virtual machine COUNT=50 times while its store is changed; SEED=N repeats a run
test-power-cuts: packages
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	Tests/VM/power-cuts $(or $(COUNT),50) $(SEED)

## test-engines: containerd, docker, podman, buildah and a Docker Swarm over the runtime; ENGINES=short: no swarm
test-engines:
	scripts/install-packages --engines
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	scripts/test engines$(if $(ENGINES),-$(ENGINES))

## differential: the command line beside that of Debian's docker, the same words to both; CASES=NAME: one table
differential:
	scripts/install-packages --engines
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	APUS_CASES="$(CASES)" scripts/test differential

## fuzz: documents, archives, protocol and D-Bus with libFuzzer, SECONDS=600 each; KEEP=1: then what shows new code joins the corpora
fuzz: packages
	scripts/fuzz "$(or $(SECONDS),600)"
	$(if $(KEEP),scripts/fuzz --keep)

## fuzz-differential: archives to us and to GNU tar, bsdtar and Python, SECONDS=600; SEED=N: these rounds again
fuzz-differential: packages
	$(SWIFT) build --product tar-probe
	Tests/FuzzTests/Differential/compare "$$($(SWIFT) build --show-bin-path)/tar-probe" \
	    --seconds "$(or $(SECONDS),600)" $(if $(SEED),--seed "$(SEED)")

## sweep: the long forms of tests: every call of the runtime and of what changes the store failing, 1,000 containers in a row, races of a minute each
sweep: packages
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	APUS_FAULTS=all APUS_ROUNDS=1000 APUS_RACE_SECONDS=60 scripts/test sweep

## conformance: runc's own integration tests from the checkout SUITE=DIR (docs/conformance.md); RUNTIME=PATH IN="host vm systemd"
conformance:
	$(if $(RUNTIME),,$(MAKE) --no-print-directory release)
	for place in $(IN); do \
	    Tests/Conformance/run --suite "$(SUITE)" $(if $(RUNTIME),--runtime "$(RUNTIME)") --in "$$place" $(FILES); \
	done

## demo: the main job from a root file system to a running container, each command printed before it runs
demo: packages
	rootfs-fixtures/make busybox
	$(MAKE) --no-print-directory release
	scripts/demo

## bench: medians of interleaved runs beside crun, runc, podman and a plain C program, where installed
bench: packages
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	bench/run

## bench-runtime: the same for apus-runtime alone beside crun and runc, from one bundle
bench-runtime: packages
	rootfs-fixtures/make busybox
	$(MAKE) --no-print-directory release
	bench/run runtime

## bench-scale: bytes through containers, 50 at once, 500 that run, beside podman and (DOCKER_HOST) docker
bench-scale: packages
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	bench/run streams parallel many

## bench-images: loading, pulling and listing images beside podman, docker and tar
bench-images: packages
	rootfs-fixtures/make
	$(MAKE) --no-print-directory release
	bench/run images

## check: format, import table, lint
check:
	$(SWIFT) format lint --strict --parallel --recursive --configuration .swift-format Package.swift Sources Tests
	.ci/check-imports
	.ci/lint
	.ci/test-checks

## format: rewrite the sources in the project's format
format:
	$(SWIFT) format --in-place --parallel --recursive --configuration .swift-format Package.swift Sources Tests

## install: binaries and shell completions below DESTDIR/PREFIX
install: release
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install

## clean: remove what was built and made
clean:
	rm -rf .build bin rootfs-fixtures/out

## help: this list
help:
	@sed -n 's/^## //p' Makefile
