# Everything that is done to this tree; a bare make lists it.

GO      ?= go
VERSION ?=
FOR     ?=

LDFLAGS := -s -w $(if $(VERSION),-X sourire/internal/run.version=$(VERSION))
TOOL     = $(GO) tool -modfile=.tools/$(1)/go.mod $(1)

# Whole systems run as programs, at the speed they have in the field; everything
# else runs under the race detector. The store's long suites, which are one
# goroutine's, run without it: with it they took nine minutes.
WHOLE  := internal/e2e internal/vmtest
WHOLES  = $(patsubst %,./%/...,$(wildcard $(WHOLE)))
STORE  := ./hub/store/sqlstore
RACED   = $(shell $(GO) list ./... | grep -v -E '/($(subst $() ,|,$(WHOLE) $(STORE:./%=%)))(/|$$)')
SOAKED := ./internal/e2e ./internal/vmtest ./kiosk/fleetsim
SCREEN := kiosk/screen
WINDOW := gui,x11,gles,no_emoji,migrated_fynedo
HEADERS := x11 xcursor xrandr xi xinerama xxf86vm gl egl glesv2

.DEFAULT_GOAL := help
.PHONY: help build kiosk-arm64 kiosk-armv7 kiosk-armv6 kiosk-window demo test soak big bench check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build both programs into bin/; VERSION=1.2.3 names a release; kiosk-arm64, -armv7, -armv6 are for boards
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/sourire-kiosk ./kiosk
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/sourire-hub ./hub

kiosk-arm64 kiosk-armv7 kiosk-armv6: kiosk-%: # for a board, static and without a window, into bin/
	CGO_ENABLED=0 GOOS=linux GOARCH=$(word 1,$(subst v, ,$*)) GOARM=$(word 2,$(subst v, ,$*)) \
		$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/sourire-kiosk-$* ./kiosk

kiosk-window: ## build the kiosk with a window into bin/; needs the packages of .ci/deps, and minutes once
	CGO_ENABLED=1 $(GO) build -trimpath -tags $(WINDOW) -ldflags '$(LDFLAGS)' -o bin/sourire-kiosk-window ./kiosk

demo: build ## a hub and three kiosks with visitors; FOR=20s ends by itself and says what was lost
	@if [ -n "$$DISPLAY" ] && pkg-config --exists $(HEADERS) 2>/dev/null; then $(MAKE) --no-print-directory kiosk-window; fi
	@$(GO) build -o bin/demo ./internal/e2e/demo
	@bin/demo $(if $(FOR),--for $(FOR))

test: ## the gate: install what the tests need, then run all of them
	.ci/deps
	.ci/vm
	$(GO) vet ./...
	$(GO) test -p 2 -timeout 15m -race $(RACED)
	$(GO) test -timeout 15m $(STORE)/...
	$(GO) test -timeout 15m -race $(STORE) -skip 'TestPostgres$$|archive|packed|Pack_bytes|BrokenOff|Erase' -rapid.checks=20
	@echo '$(GO) test -p 1 -timeout 15m $(WHOLES)'; s=$$(mktemp); \
		SOURIRE_SUMMARY=$$s $(GO) test -p 1 -timeout 15m $(WHOLES); status=$$?; cat $$s; rm -f $$s; exit $$status
	$(if $(wildcard $(SCREEN)),CGO_ENABLED=0 $(GO) test -p 2 -tags test ./$(SCREEN)/...)

soak: ## the long tier, under an hour, before a capability is called done; its summary goes to internal/e2e/soak.txt
	@s=$$(mktemp); at=$$(git describe --always --dirty); { SOURIRE_SUMMARY=$$s $(GO) test -v -p 1 -count=1 -timeout 3h -tags soak -run Soak $(SOAKED); echo $$? >$$s.status; } 2>&1 | \
		grep --line-buffered -v -E '^ *(===|--- PASS)'; status=$$(cat $$s.status); \
		(date -u +%Y-%m-%d; echo $$at; nproc; sort $$s | uniq -c; echo "status $$status") | tee internal/e2e/soak.txt; \
		rm -f $$s $$s.status; exit $$status

big: ## the questions of 200 sites, three years and 50 million presses on both stores, into internal/e2e/big.txt; 30 minutes, 15 GB
	rm -f internal/e2e/big.txt
	SOURIRE_BIG=50000000 SOURIRE_BIG_RESULTS=big.txt $(GO) test -v -count=1 -timeout 3h -tags soak -run TestSoak_big ./internal/e2e

bench: ## print the figures that matter, as ratios, and what they shall reach; under four minutes
	$(GO) run ./internal/e2e/bench

check: ## format, vet, staticcheck, lint and the laws of the tree
	@unformatted=$$($(call TOOL,gofumpt) -l .); \
		if [ -n "$$unformatted" ]; then echo "not in gofumpt's format:" $$unformatted; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags soak $(SOAKED)
	$(call TOOL,staticcheck) ./...
	$(call TOOL,golangci-lint) run
	$(GO) test ./internal/archtest

clean: ## remove what the other targets made
	rm -rf bin
	$(GO) clean -testcache
