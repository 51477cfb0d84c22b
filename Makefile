# Targets that a developer calls. `make demo` and `make test` do all the set-up
# that they need.

GO           ?= go
TOOLS        := $(CURDIR)/.bin
LINT_VERSION := v2.15.0
LINT         := $(TOOLS)/golangci-lint-$(LINT_VERSION)
VULN_VERSION := v1.9.0
VULN         := $(TOOLS)/govulncheck-$(VULN_VERSION)
# Of a long run it prints what failed, and that at the end.
GOTESTSUM_VERSION := v1.13.0
export GOTESTSUM  := $(TOOLS)/gotestsum-$(GOTESTSUM_VERSION)
VERSITYGW_VERSION := v1.8.0
VERSITYGW    := $(TOOLS)/versitygw-$(VERSITYGW_VERSION)
# The race detector needs cgo, and so a C compiler.
RACE         ?= -race
# Tests that the race detector is in the way of: of allocations, for it has its own, and
# long ones, of which it has a short form or none.
WITHOUT_RACE := Allocations|TestClusterModel|TestCrashes|TestErrorSweep|TestFullAtAnyOperation|TestModel|TestNameFilter|TestNamesKilled|TestPrintable|TestPromisesAreKept|TestRefreshCrashes|TestRefreshKilled|TestRefreshModel|TestRepairIsCutOff|TestSameResult|TestSegmentModel
# .ci/gotest also fails where a test is skipped.
GOTEST       ?= $(GO) test
ifeq ($(GOTEST),.ci/gotest)
test: $(GOTESTSUM)
endif
FUZZTIME     ?= 20s

.PHONY: build test lint demo bench bench-mount bench-go bench-store cover crash damage model fuzz soak soak-cluster long screenshots clean needs-go needs-fuse needs-nginx needs-programs needs-s3 needs-browser needs-cc needs-bench needs-bench-mount

build: needs-go
	$(GO) build -o bin/motefs ./cmd/motefs

# static, man, install, uninstall, packages, release, cross.
include cmd/motefs/packaging/install.mk

test: needs-go needs-cc needs-fuse needs-nginx needs-programs needs-s3 needs-browser
	$(GO) vet ./...
	$(GOTEST) $(RACE) -timeout 60m ./...
	$(GOTEST) -timeout 60m -run '$(WITHOUT_RACE)' $$(grep -rlE --include='*_test.go' '^func .*($(WITHOUT_RACE))' . | xargs -n 1 dirname | sort -u)

lint: needs-go $(LINT) $(VULN)
	$(GO) mod tidy -diff
	$(GO) vet -tags man ./cmd/motefs
	@test -z "$$(gofmt -l .)" || { echo "gofmt needed:"; gofmt -l .; exit 1; }
	$(LINT) run ./...
	.ci/vulnerable $(VULN)

demo: build needs-fuse
	./bin/motefs demo

# motefs beside other programs, in one table: make bench BENCH='-quick -only motefs'
# for less of it; bin/motefs-bench -help names the flags.
bench: build needs-bench
	$(GO) build -o bin/motefs-bench ./cmd/motefs-bench
	./bin/motefs-bench $(BENCH)

# The mount beside a FUSE filesystem that does nothing, the disk's own filesystem
# and other programs that mount HTTP: make bench-mount BENCH='-quick -only read';
# bin/motefs-bench mount -help names the flags.
bench-mount: build needs-fuse needs-bench-mount
	$(GO) build -o bin/motefs-bench ./cmd/motefs-bench
	./bin/motefs-bench mount $(BENCH)

bench-go: needs-go
	$(GO) test -run '^$$' -bench . -benchmem ./...

# The store with each of its settings changed alone; takes half an hour. For less
# of it: make bench-store FILES=300000 BENCH='Settings/(as_chosen|blocks)'. The
# stores are put into $TMPDIR.
bench-store: FILES ?= 10000000
bench-store: BENCH ?= Settings
bench-store: needs-go
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(FILES)x -timeout 0 ./cache

cover: needs-go needs-fuse needs-nginx needs-programs needs-s3 needs-browser
	mkdir -p bin
	$(GO) test -timeout 60m -coverprofile=bin/cover.out -coverpkg=./... ./...
	$(GO) tool cover -func=bin/cover.out | tail -n 1

# The long forms of tests that go by a seed; RELIABILITY.md says what came of them. For
# one seed again: go test ./mirror -run 'TestModel$$' -model.seed N -model.seeds 1
crash: SEEDS ?= 1000
crash: KILLS ?= 50
crash: needs-go needs-fuse needs-programs
	$(GO) test -v -run '^(TestCrashes|TestRefreshCrashes)$$' -timeout 0 ./mirror -crash.seeds $(SEEDS)
	$(GO) test -v -run '^TestKilled$$' -timeout 0 ./cmd/motefs -killed.kills $(KILLS)

model: SEEDS ?= 1500
model: needs-go
	$(GO) test -run '^TestModel$$' -timeout 0 ./mirror -model.seeds $(SEEDS)

# Processes that make one mirror and are killed, stopped and cut off, SEEDS worlds of them
# from SEED on (empty: a random one): in a model, and the program itself with servers of NATS and S3.
soak-cluster: SEEDS ?= 200
soak-cluster: needs-go $(VERSITYGW)
	CLUSTER_SEEDS=$(SEEDS) CLUSTER_SEED=$(SEED) $(GO) test -run '^TestClusterModel$$' -count 1 -v -timeout 0 ./mirror/cluster
	STORM_SEEDS=$(SEEDS) STORM_SEED=$(SEED) $(GO) test -run '^TestClusterStorm$$' -count 1 -v -timeout 0 ./cmd/motefs/internal/clustertest

# Stores that are damaged at random and repaired, SEEDS of them from SEED on (0: a
# random one).
damage: SEEDS ?= 500
damage: SEED ?= 0
damage: needs-go
	$(GO) test -run '^TestDamage$$' -count 1 -v -timeout 60m ./cache -damage $(SEEDS) -damage.seed $(SEED)

# Every fuzz test, one after the other, for FUZZTIME each. None runs the program, so
# that none builds it.
fuzz: export MOTEFS_TEST_BINARY = none
fuzz: needs-go
	@set -e; for dir in $$($(GO) list -f '{{.Dir}}' ./...); do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go 2>/dev/null | cut -d' ' -f2); do \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$dir; done; done

# Everything at once, for SOAK, and troubles of an origin that last. SOAK_SEED=N has the
# faults of an earlier run again, which printed it.
soak: export SOAK ?= 10m
soak: needs-go needs-fuse needs-programs
	$(GO) test -run '^(TestSoak|TestTroubledOrigin|TestNameComesBackElsewhere|TestCableIsPulled)$$' -count 1 -timeout 0 -v ./cmd/motefs

# Tests of more names, and of more worlds, than make test has.
long: export MOTEFS_TEST_LONG = 1
long: needs-go needs-fuse needs-browser
	$(GO) test -count 1 -timeout 0 ./mirror/replica
	$(GO) test -run '^TestPagesThroughManyNames$$' -count 1 -timeout 0 ./cmd/motefs/internal/page

# The pictures of the page in the documents, of a mirror in a real browser.
screenshots: needs-go needs-fuse needs-browser
	$(GO) test -run '^TestScreenshots$$' -count 1 ./cmd/motefs -screenshots $(CURDIR)/cmd/motefs/docs/page

clean:
	rm -rf bin .bin

$(LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(VULN):
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(VULN_VERSION)
	mv $(TOOLS)/govulncheck $@

$(GOTESTSUM):
	GOBIN=$(TOOLS) $(GO) install gotest.tools/gotestsum@$(GOTESTSUM_VERSION)
	mv $(TOOLS)/gotestsum $@

# An S3 server to be held to; it takes some two minutes to build.
$(VERSITYGW):
	GOBIN=$(TOOLS) $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	mv $(TOOLS)/versitygw $@

# Each of these installs what is missing where it can, or says in one line what
# to install.
needs-go:
	@command -v $(GO) >/dev/null || { echo "motefs needs Go 1.26 or later: https://go.dev/dl/"; exit 1; }

needs-cc:
	@if [ -n "$(RACE)" ]; then .ci/need gcc gcc; fi

needs-fuse:
	@.ci/need fusermount3 fuse3
	@test -e /dev/fuse -o -n "$(MOTEFS_TEST_NO_FUSE)" || { echo "there is no /dev/fuse: load the kernel's module with 'modprobe fuse', or give the container --device /dev/fuse --cap-add SYS_ADMIN"; exit 1; }

needs-nginx:
	@.ci/need nginx nginx-light

# What the tests run over a mount.
needs-programs:
	@set -e; for p in git:git rsync:rsync python3:python3 tar:tar xargs:findutils setpriv:util-linux unshare:util-linux mount:mount findmnt:util-linux systemd-analyze:systemd automount:autofs nsenter:util-linux ip:iproute2; do \
		.ci/need $${p%:*} $${p#*:}; done

# Other people's S3 programs: clients for motefs serve --s3, and a server. With
# MOTEFS_TEST_NO_S3_PROGRAMS set, tests go without those that cannot be had.
needs-s3: needs-go
	@set -e; for p in rclone:rclone aws:awscli s3cmd:s3cmd; do \
		.ci/need $${p%:*} $${p#*:} || test -n "$(MOTEFS_TEST_NO_S3_PROGRAMS)"; done
	@test -x $(VERSITYGW) || $(MAKE) --no-print-directory $(VERSITYGW) || test -n "$(MOTEFS_TEST_NO_S3_PROGRAMS)"

# The browser in which the page is tested. With MOTEFS_TEST_NO_BROWSER set, tests go
# without one that cannot be had.
needs-browser:
	@.ci/need chromium chromium || test -n "$(MOTEFS_TEST_NO_BROWSER)"

# A contender that cannot be had says so in its row.
needs-bench: needs-go
	@for p in nginx:nginx-light wrk:wrk wget2:wget2 aria2c:aria2 rclone:rclone curl:curl python3-requests:python3-requests \
		python3-aiohttp:python3-aiohttp python3-uvloop:python3-uvloop aws:awscli s3cmd:s3cmd; do .ci/need $${p%:*} $${p#*:} || true; done
	@test -x $(VERSITYGW) || $(MAKE) --no-print-directory $(VERSITYGW) || true

needs-bench-mount:
	@for p in nginx:nginx-light rclone:rclone httpdirfs:httpdirfs; do .ci/need $${p%:*} $${p#*:} || true; done
