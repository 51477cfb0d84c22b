# What Makefile includes: installing, packages and releases.

NFPM_VERSION := v2.45.2
NFPM         := $(TOOLS)/nfpm-$(NFPM_VERSION)
# The version of what is installed: a tag's, or a day of development.
VERSION      ?= $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null | sed -E 's/^v//; s/-([0-9]+)-g/+\1.g/' | grep . || echo 0.1.0-dev$(shell git log -1 --format=.%cd+g%h --date=format:%Y%m%d 2>/dev/null))
# The day that manual pages have, so that the same sources make the same pages.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)
# Where make install puts it. mount(8) looks for helpers in SBINDIR alone.
PREFIX       ?= /usr/local
SBINDIR      ?= /usr/sbin
HELPERS      := mount.motefs mount.fuse.motefs
UNITDIR      ?= $(PREFIX)/lib/systemd/system
ARCHES       ?= amd64 arm64
BUILD        ?= bin
# The same sources make the same binary wherever they stand. A test leaves it out, as
# everything is compiled anew for it.
TRIM         ?= -trimpath

.PHONY: static man cross install uninstall packages release needs-dpkg

# TestPackage makes packages.
test cover: needs-dpkg $(NFPM)

# Static and stripped binaries: $(BUILD)/linux-amd64/motefs and so on.
static: $(ARCHES:%=$(BUILD)/linux-%/motefs)

.PHONY: FORCE
$(BUILD)/linux-%/motefs: FORCE | needs-go
	CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) build $(TRIM) -ldflags '-s -w -X main.release=$(VERSION)' -o $@ ./cmd/motefs

# Does it build where only the mount is missing?
cross: needs-go
	@set -e; for s in darwin/arm64 freebsd/amd64 windows/amd64; do echo "building for $$s"; \
		CGO_ENABLED=0 GOOS=$${s%/*} GOARCH=$${s#*/} $(GO) build -o /dev/null ./cmd/motefs; done

# What is installed beside the binary: manual pages, completions, units, documents.
SHARE = $(BUILD)/share
HOST  := $(shell $(GO) env GOARCH 2>/dev/null)
man: needs-go $(BUILD)/linux-$(HOST)/motefs
	rm -rf $(SHARE) && mkdir -p $(SHARE)/man/man1 $(SHARE)/man/man8 $(SHARE)/doc $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(GO) run -tags man -ldflags '-X main.release=$(VERSION)' ./cmd/motefs man README.md $(SHARE)/man/man1
	cp cmd/motefs/packaging/mount.motefs.8 $(SHARE)/man/man8/
	gzip -9n $(SHARE)/man/man*/*
	$(BUILD)/linux-$(HOST)/motefs completion bash >$(SHARE)/bash-completion/completions/motefs
	$(BUILD)/linux-$(HOST)/motefs completion zsh >$(SHARE)/zsh/site-functions/_motefs
	$(BUILD)/linux-$(HOST)/motefs completion fish >$(SHARE)/fish/vendor_completions.d/motefs.fish
	cp README.md LICENSE CHANGELOG.md SEMANTICS.md ORIGINS.md SECURITY.md $(SHARE)/doc/
	cp -r cmd/motefs/docs $(SHARE)/doc/guides

# Units name no place of the binary: systemd looks below /usr/local and /usr.
UNITS = $(wildcard cmd/motefs/systemd/*.service cmd/motefs/systemd/*.timer)

install: man
	install -Dm755 $(BUILD)/linux-$(HOST)/motefs $(DESTDIR)$(PREFIX)/bin/motefs
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(PREFIX)/share/doc/motefs
	for h in $(HELPERS); do ln -sf $(PREFIX)/bin/motefs $(DESTDIR)$(SBINDIR)/$$h; done
	cp -r $(SHARE)/man $(SHARE)/bash-completion $(SHARE)/zsh $(SHARE)/fish $(DESTDIR)$(PREFIX)/share/
	cp -r $(SHARE)/doc/. $(DESTDIR)$(PREFIX)/share/doc/motefs/
	install -d $(DESTDIR)$(UNITDIR)
	for u in $(UNITS); do install -m644 $$u $(DESTDIR)$(UNITDIR)/; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/motefs $(HELPERS:%=$(DESTDIR)$(SBINDIR)/%) $(DESTDIR)$(PREFIX)/share/man/man1/motefs.1.gz \
		$(DESTDIR)$(PREFIX)/share/man/man1/motefs-*.1.gz $(DESTDIR)$(PREFIX)/share/man/man8/mount.motefs.8.gz $(DESTDIR)$(UNITDIR)/motefs*.service \
		$(DESTDIR)$(UNITDIR)/motefs*.timer $(DESTDIR)$(PREFIX)/share/bash-completion/completions/motefs \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_motefs $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/motefs.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/motefs

# .deb, .rpm and .tar.gz with their sums, in $(BUILD)/packages.
packages: static man $(NFPM)
	rm -rf $(BUILD)/packages && mkdir -p $(BUILD)/packages
	set -e; for arch in $(ARCHES); do \
		stage=$(BUILD)/packages/motefs-$(VERSION)-linux-$$arch; mkdir -p $$stage; \
		cp $(BUILD)/linux-$$arch/motefs $$stage/; cp -r $(SHARE) $$stage/share; mv $$stage/share/doc $$stage/doc; mkdir $$stage/systemd; for u in $(UNITS); do install -m644 $$u $$stage/systemd/; done; \
		for format in deb rpm; do ARCH=$$arch VERSION=$(VERSION) STAGE=$$stage \
			$(NFPM) package --config cmd/motefs/packaging/nfpm.yaml --packager $$format --target $(BUILD)/packages/; done; \
		tar -C $(BUILD)/packages --sort=name --owner=0 --group=0 --mtime=@$(SOURCE_DATE_EPOCH) -czf $$stage.tar.gz $${stage##*/}; rm -r $$stage; done
	cd $(BUILD)/packages && sha256sum * >SHA256SUMS && cat SHA256SUMS

# A release: the day goes into CHANGELOG.md, the commit and the tag are made, and nothing is
# pushed: make release VERSION=0.1.0
release:
	.ci/release $(VERSION)

needs-dpkg:
	@.ci/need dpkg-deb dpkg

$(NFPM):
	GOBIN=$(TOOLS) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	mv $(TOOLS)/nfpm $@
