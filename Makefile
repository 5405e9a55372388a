# make demo     build, start a private httpd, show the main job on real requests
# make test     everything that must pass: formatting, lints, unit, black-box and browser tests
# make fuzz     each fuzz target for FUZZ_SECONDS (600): fuzz/README.md
# make audit    licences, sources and known weaknesses of all dependencies: deny.toml
# make bench    what the module costs: docs/performance.md with its plots, in half an hour of a quiet machine
#               (BENCH_QUICK=1: in a few minutes, to see that it works; BENCH="load memory": only these sections)
# make soak     ten thousand connections, then SOAK_SECONDS (1200) of clients of every kind with restarts and log rotation
#               (SOAK_SEED=NUMBER: with the random choices of the run that printed it)
# make under    the black-box suite with httpd under a checker, TOOL=asan (the default), memcheck or helgrind: tools/under
# make test-docker  the black-box suite against the httpd in the image (docker/test), and on Debian 13 and testing (packaging/debian/test)
# make deb      Debian packages of the module and of tokbind, in target/deb; make test-deb installs and uses them
# make rpm      RPM packages, in target/rpm, checked by rpmlint
# make install  put the module, its configuration and the guard where this machine's httpd has such files (`make && sudo make
#               install`; DESTDIR=); make uninstall leaves the guard, make purge does not: apache/install
#
# Each installs what is missing first (Debian packages, a browser from npm): tools/setup has the lists.

.DELETE_ON_ERROR:
.PHONY: all build demo test lint unit blackbox fuzz fuzz-briefly test-docker audit bench soak under install uninstall purge \
        deb test-deb rpm setup-build setup-test setup-bench setup-deb setup-rpm clean

MODULE  = target/release/libmod_token_binding.so
# The same module with faults on demand, for the tests that need one (Cargo.toml, feature fault-injection).
FAULTY  = target/faulty/libmod_token_binding.so
APXS   ?= apxs
CARGO  ?= cargo
DESTDIR ?=

all: build

setup-build:
	@tools/setup/install build
setup-test:
	@tools/setup/install test

setup-bench:
	@tools/setup/install bench

setup-rpm:
	@tools/setup/install rpm

setup-deb:
	@tools/setup/install deb

build: setup-build
	$(CARGO) build --release --locked --package mod_token_binding

demo: setup-test build
	$(CARGO) build --locked --package tokbind-cli
	$(CARGO) build --locked --package mod_token_binding --example demo
	target/debug/examples/demo $(if $(KEEP),--keep)

# What incremental builds keep for the next one is a third of the disk that a clean checkout's tests take.
test: export CARGO_INCREMENTAL = 0
test: setup-test lint unit blackbox fuzz-briefly demo
	@echo "make test: all passed"

lint: setup-build
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --package token-binding --package dbsc --package tokbind --package tokbind-cli --lib --all-features --no-deps --locked --quiet
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
	    $(CARGO) doc --package mod_token_binding --package token-binding-server --no-deps --document-private-items --locked --quiet

unit: setup-build
	$(CARGO) test --package token-binding-server --package fuzz --package httpd-harness --lib --locked
	$(CARGO) test --package token-binding --package dbsc --package tokbind --package tokbind-cli --all-features --locked
	$(CARGO) test --package mod_token_binding --test rooms --locked
	$(CARGO) run --quiet --package token-binding --example message --locked
	$(CARGO) run --quiet --package dbsc --example server --locked

blackbox: setup-test build
	$(CARGO) build --locked --package mod_token_binding --features fault-injection
	install -D target/debug/libmod_token_binding.so $(FAULTY)
	$(CARGO) build --locked --package tokbind-cli
	TOKEN_BINDING_MODULE=$(abspath $(MODULE)) TOKEN_BINDING_FAULTY_MODULE=$(abspath $(FAULTY)) \
	TOKBIND=$(abspath target/debug/tokbind) \
	    $(CARGO) test --package mod_token_binding --test blackbox --locked -- --test-threads=4

# New inputs stay in target/fuzz/corpus, and a later run begins with them.
FUZZ_SECONDS ?= 600
fuzz: setup-test
	fuzz/run $(FUZZ_SECONDS)
fuzz-briefly: setup-test
	fuzz/run 10

# RUSTSEC_DB=path/to/clone, where the database of known weaknesses can't be fetched.
audit:
	tools/audit/run

# A thousand connections need as many file descriptors, on either side.
bench: setup-bench build
	ulimit -n $$(ulimit -H -n) && TOKEN_BINDING_MODULE=$(abspath $(MODULE)) \
	    $(CARGO) bench --package mod_token_binding --bench performance --locked -- $(BENCH)

soak: setup-test build
	$(CARGO) build --locked --package mod_token_binding --example soak
	ulimit -n $$(ulimit -H -n) && TOKEN_BINDING_MODULE=$(abspath $(MODULE)) target/debug/examples/soak

TOOL ?= asan
under:
	tools/under/suite $(TOOL)

test-docker:
	docker/test
	packaging/debian/test trixie
	packaging/debian/test forky

# Needs no cargo: `make && sudo make install`.
install uninstall purge:
	@APXS="$(APXS)" MODULE="$(abspath $(MODULE))" DESTDIR="$(DESTDIR)" apache/install $@

deb: setup-deb
	rm -rf target/deb
	mkdir -p target/deb
	DEB_DESTDIR=target/deb DEB_RULES_REQUIRES_ROOT=no debian/rules clean binary

# Checked by lintian, installed into a clean root of this Debian release, visited, removed, purged.
test-deb: deb
	lintian --fail-on error,warning target/deb/*.deb
	packaging/deb/test

# With the macros of httpd-devel, which Debian has not. What it needs is there by other names, so --nodeps.
RPM_MACROS = --define '_topdir $(abspath target/rpm)' --define 'dist .debian' --define '_httpd_mmn 20120211' \
    --define '_httpd_moddir /usr/lib64/httpd/modules' --define '_httpd_confdir /etc/httpd/conf.d' \
    --define '_httpd_modconfdir /etc/httpd/conf.modules.d'
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
rpm: setup-rpm
	rm -rf target/rpm
	mkdir -p target/rpm/SOURCES
	git archive --format=tar.gz --prefix=mod_token_binding-$(VERSION)/ --output=target/rpm/SOURCES/mod_token_binding-$(VERSION).tar.gz HEAD
	rpmbuild --quiet -ba --nodeps $(RPM_MACROS) packaging/rpm/mod_token_binding.spec
	rpmlint --config packaging/rpm/rpmlint.toml target/rpm/RPMS/*/*.rpm

clean:
	$(CARGO) clean
