# Makefile - a thin front to meson; build folders are build/ and build-*/
#
#   make          build the program
#   make demo     play the tutorial's scenarios on three virtual hosts
#   make check    build and run every test
BUILD ?= build
PYTHON := /usr/bin/python3
PACKAGES := gcc libc6-dev meson ninja-build pkg-config libcmocka-dev libwrap0-dev libedit-dev libssl-dev libsodium-dev libjansson-dev mandoc python3 \
	python3-pytest iproute2 hostname procps
CHECK_PACKAGES := $(PACKAGES) socat expect tmux clang libclang-rt-14-dev libasan8 libubsan1 \
	strace ncat netcat-openbsd microsocks dante-server tinyproxy openssh-server openssh-client \
	openssl curl stunnel4 haproxy udptunnel dnsmasq-base bind9-dnsutils nginx-light prometheus nftables iptables python3-nacl python3-pyte zsh fish \
	debhelper lintian dpkg-dev systemd musl-tools pyflakes3

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/need.sh cc meson ninja pkg-config
	meson setup $(BUILD) $(MESONFLAGS)

deps:
	@tools/deps.sh $(PACKAGES)

check-deps:
	@tools/deps.sh $(CHECK_PACKAGES)

demo: deps
	@$(MAKE) --no-print-directory -s all >/dev/null
	@$(PYTHON) demo/demo.py

# FAST=1: with what is installed, the quick half
check: $(if $(FAST),,check-deps)
	@PYTHON=$(PYTHON) tests/run.sh $(if $(FAST),unit checks e2e)

asan:
	@[ -f build-asan/build.ninja ] || meson setup build-asan -Db_sanitize=address,undefined \
		-Db_lundef=false -Dbuildtype=debug -Dchaos=true
	ninja -C build-asan

# reads and writes in random pieces where SOCAST_CHAOS=SEED is in the environment
chaos:
	@[ -f build-chaos/build.ninja ] || meson setup build-chaos -Dchaos=true
	ninja -C build-chaos

musl:
	@tools/musl.sh

fuzz:
	@[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true \
		-Db_lundef=false -Dbuildtype=debugoptimized
	ninja -C build-fuzz
	@tests/fuzz/run.sh build-fuzz $${FUZZ_SECONDS:-60}

# random lives of listeners, longer than make check plays them
noise: asan
	SOCAST=build-asan/socast SOCAST_NOISE_SECONDS=$${NOISE_SECONDS:-600} UBSAN_OPTIONS=halt_on_error=1:exitcode=99 \
		$(PYTHON) -m pytest -q -s -p no:cacheprovider tests/e2e/test_noise.py

bench: all
	$(PYTHON) bench/run.py

package: deps
	tools/deps.sh build-essential debhelper lintian dpkg-dev $$([ -e .git ] && echo git)
	tools/package.sh dist

# the last commit as a tarball, which builds, installs and packages without git
dist: $(BUILD)/build.ninja
	meson dist -C $(BUILD) --no-tests --formats gztar

# README's commands on a minimal Debian, in a temporary tree
fresh:
	tools/fresh.sh

install: all
	@DESTDIR=$(DESTDIR) tools/writable.sh $(BUILD)
	meson install -C $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

lint: all
	clang-tidy -p $(BUILD) --quiet --warnings-as-errors='*' $$(git ls-files 'src/*.c')
	[ -f build-analyzer/build.ninja ] || CFLAGS=-fanalyzer meson setup build-analyzer --werror
	ninja -C build-analyzer socast filan procan complists manlists \
		socast_nft.so socast_readline.so socast_seal.so socast_tls.so socast_wrap.so
	cppcheck --enable=warning,portability --inline-suppr --quiet --error-exitcode=1 -Isrc src

clean:
	rm -rf build build-asan build-chaos build-musl build-fuzz build-analyzer build-coverage

.PHONY: all deps check-deps demo check asan chaos musl fuzz noise bench package dist fresh install format lint clean
