# make           lists the targets
# make run       builds everything and serves the page
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO      ?= go
NPM     ?= npm
LISTEN  ?= 127.0.0.1:8080
DATA    ?=
FUZZTIME ?= 1m
MINIMIZE ?= 200x

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w
STATIC  := CGO_ENABLED=0 $(GO) build -trimpath

EMBEDDED := cmd/layerlab/embedded
DIST     := web/dist
PAGE     := server/webui/dist
MODULE_GO := $(shell find imagecore sandbox/guest cmd/imagecore-wasm -name '*.go' -not -name '*_test.go')
RUNTIME_GO := $(shell find runtime imagecore cmd/layerlab-runtime cmd/layerlab-helper cmd/layerlab-egress -name '*.go' -not -name '*_test.go')
USERLAND_GO := $(shell find cmd/layerlab-userland -name '*.go' -not -name '*_test.go')
SAMPLE_GO := $(shell find cmd/layerlab-sample imagecore -name '*.go' -not -name '*_test.go')
WEB_SRC := $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -name imagecore.wasm -not -name cases.tar.gz)

# Copies only what differs, so that what depends on the copy is not built again.
define install_changed
	@mkdir -p $(dir $(2))
	@cmp -s $(1) $(2) || cp $(1) $(2)
endef

# Installs the packages of commands that are missing: COMMAND:PACKAGE …
define apt
	@missing=; for x in $(1); do command -v "$${x%%:*}" >/dev/null || missing="$$missing $${x##*:}"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
		else echo "please install:$$missing"; exit 1; fi; \
	fi
endef

##@ Build and run

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z0-9-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: bin/layerlab-runtime web ## build bin/layerlab (with page, module, runtime and samples in it) and bin/layerlab-runtime
	$(MAKE) --no-print-directory binary

.PHONY: binary
binary: embedded # the binary around what is embedded; go build knows whether there is something to do
	$(STATIC) -ldflags '$(LDFLAGS) -X main.version=$(VERSION)' -o bin/layerlab ./cmd/layerlab

.PHONY: run
run: build ## build everything and serve the page at LISTEN (127.0.0.1:8080); DATA=DIR keeps data elsewhere
	bin/layerlab serve --listen '$(LISTEN)' $(if $(DATA),--data '$(DATA)')

.PHONY: wasm
wasm: bin/imagecore.wasm web/src/io/imagecore.wasm ## build the layer core as WebAssembly and hand it to the page

bin/imagecore.wasm: $(MODULE_GO) go.mod go.sum
	GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -ldflags '$(LDFLAGS)' -buildmode=c-shared -o $@ ./cmd/imagecore-wasm

# The page asks for no commands: without them it has a fifth less to fetch.
bin/imagecore-page.wasm: $(MODULE_GO) go.mod go.sum
	GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -tags page -ldflags '$(LDFLAGS)' -buildmode=c-shared -o $@ ./cmd/imagecore-wasm

web/src/io/imagecore.wasm: bin/imagecore-page.wasm
	$(call install_changed,$<,$@)
	@touch $@

.PHONY: runtime
runtime: bin/layerlab-runtime ## build the container runtime

bin/layerlab-runtime: $(RUNTIME_GO) go.mod go.sum
	$(STATIC) -ldflags '$(LDFLAGS)' -o $@ ./cmd/layerlab-runtime

bin/layerlab-helper: $(RUNTIME_GO) go.mod go.sum
	$(STATIC) -ldflags '$(LDFLAGS)' -o $@ ./cmd/layerlab-helper

bin/layerlab-egress: $(RUNTIME_GO) go.mod go.sum
	$(STATIC) -ldflags '$(LDFLAGS)' -o $@ ./cmd/layerlab-egress

.PHONY: samples
samples: bin/samples/sample.tar ## build the sample images

bin/layerlab-userland: $(USERLAND_GO) go.mod go.sum
	$(STATIC) -ldflags '$(LDFLAGS)' -o $@ ./cmd/layerlab-userland

bin/samples/sample.tar: bin/layerlab-userland $(SAMPLE_GO)
	@mkdir -p bin/samples
	$(GO) run ./cmd/layerlab-sample -userland bin/layerlab-userland -o bin/samples

web/src/io/cases.tar.gz: bin/samples/sample.tar
	$(call install_changed,bin/samples/cases.tar.gz,$@)
	@touch $@

.PHONY: embedded
embedded: bin/layerlab-helper bin/layerlab-egress bin/imagecore.wasm bin/samples/sample.tar $(DIST)/index.html # what the binary carries
	@mkdir -p $(PAGE)
	@diff -rq --exclude=.keep $(DIST) $(PAGE) >/dev/null || \
		{ find $(PAGE) -mindepth 1 -not -name .keep -delete; cp -r $(DIST)/. $(PAGE)/; }
	$(call install_changed,bin/layerlab-helper,$(EMBEDDED)/layerlab-helper)
	$(call install_changed,bin/layerlab-egress,$(EMBEDDED)/layerlab-egress)
	@rm -f $(EMBEDDED)/layerlab-runtime
	$(call install_changed,bin/imagecore.wasm,$(EMBEDDED)/imagecore.wasm)
	@for f in sample other; do \
		gzip -9nc bin/samples/$$f.tar >$(EMBEDDED)/$$f.tar.gz.new; \
		if cmp -s $(EMBEDDED)/$$f.tar.gz.new $(EMBEDDED)/$$f.tar.gz; \
		then rm $(EMBEDDED)/$$f.tar.gz.new; else mv $(EMBEDDED)/$$f.tar.gz.new $(EMBEDDED)/$$f.tar.gz; fi; \
	done

.PHONY: web
web: $(DIST)/index.html ## build the page

$(DIST)/index.html: $(WEB_SRC) web/src/io/imagecore.wasm web/src/io/cases.tar.gz web/node_modules/.ready
	cd web && $(NPM) run build

web/node_modules/.ready: web/package.json web/package-lock.json
	cd web && $(NPM) ci --no-audit --no-fund
	@touch $@

.PHONY: site
site: bin/site/index.html ## build bin/site: the page as static files for any web server under any path, with the sample image

bin/site/index.html: $(WEB_SRC) web/src/io/imagecore.wasm web/src/io/cases.tar.gz bin/samples/sample.tar web/node_modules/.ready
	cd web && npx vite build --mode site --base ./ --outDir ../bin/site --emptyOutDir
	gzip -9nc bin/samples/sample.tar >bin/site/sample.tar.gz

##@ Check

.PHONY: test
test: needs build lint test-go test-fuzz test-compare test-web test-e2e ## everything that has to hold: lint, Go with the race detector, page, browser

.PHONY: lint
lint: ## go vet (for arm64 and the module too), gofumpt, staticcheck
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./runtime/... ./cmd/...
	GOOS=wasip1 GOARCH=wasm $(GO) vet -unsafeptr=false ./cmd/imagecore-wasm
	@unformatted=$$($(GO) tool gofumpt -l cmd server imagecore runtime sandbox e2e); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run: go tool gofumpt -w FILE"; echo "$$unformatted"; exit 1; fi
	$(GO) tool staticcheck ./...

.PHONY: test-go
# A program under the race detector sleeps for a second before it ends, and the
# tests start hundreds. What packs, unpacks and counts byte by byte in one goroutine
# is left as it is: watched, xz took ten times as long, reading an archive three times.
# Only packages into which nothing of sync is compiled (go tool nm): the linker takes
# one copy of a generic function for all, and a copy that is not watched hides what
# others have ordered by it, as races that are none.
OURS := github.com/layerlab/layerlab
NOT_WATCHED := $(foreach lib,github.com/ulikunitz/xz/lzma github.com/ulikunitz/xz/internal/hash compress/bzip2 \
	$(OURS)/imagecore/codec/inflate $(OURS)/imagecore/codec/restart $(OURS)/imagecore/tarscan $(OURS)/runtime/seccomp,-gcflags=$(lib)=-race=false)
test-go: ## the Go tests with the race detector
	GORACE=atexit_sleep_ms=10 $(GO) test -race $(NOT_WATCHED) ./...

# So many runs, not so much time: a clock that runs out in the midst of an input
# is reported as a failure.
.PHONY: test-fuzz
test-fuzz: ## every fuzz target for 2,000 runs beyond its seeds
	$(MAKE) --no-print-directory fuzz FUZZTIME=2000x MINIMIZE=20x

.PHONY: test-compare
test-compare: embedded ## 449 docker command lines against Docker's engine and ours; docker-py, skopeo and Go's client (root)
	$(call apt,dockerd:docker.io runc:runc skopeo:skopeo ip:iproute2 docker-compose:docker-compose)
	@/usr/bin/python3 -c 'import docker' 2>/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3-docker
	$(GO) test -tags compare -count=1 -timeout 15m -v ./e2e/compare
	LAYERLAB_DOCKER=/usr/bin/docker $(GO) test -count=1 -run 'TestCommands/R(8|10|13|16|19|23|26|27|28|36|37|44)$$|TestCommandLine/(compose|health)$$' ./e2e

.PHONY: test-web
test-web: web/node_modules/.ready web/src/io/imagecore.wasm web/src/io/cases.tar.gz ## Biome, svelte-check and vitest
	cd web && $(NPM) run lint
	cd web && $(NPM) run check
	cd web && $(NPM) test

.PHONY: test-e2e
test-e2e: build site e2e/browser/node_modules/.ready ## the page in Chromium against bin/layerlab
	cd e2e/browser && $(NPM) run lint && $(NPM) run check && $(NPM) test

e2e/browser/node_modules/.ready: e2e/browser/package.json e2e/browser/package-lock.json
	cd e2e/browser && $(NPM) ci --no-audit --no-fund
	@touch $@

.PHONY: test-oci
test-oci: bin/layerlab-runtime ## the validation programs of OCI's runtime-tools against our runtime, runc and crun (root)
	$(call apt,runc:runc crun:crun unshare:util-linux)
	cd e2e/oci && GOWORK=off $(GO) vet . && GOWORK=off $(GO) run . -runtime ../../bin/layerlab-runtime

.PHONY: test-interop
test-interop: bin/layerlab-runtime ## podman, containerd and Docker with our runtime (root)
	$(call apt,podman:podman containerd:containerd dockerd:docker.io runc:runc busybox:busybox-static)
	$(GO) test -tags interop -count=1 -v ./e2e/interop

.PHONY: test-engines
test-engines: ## random images through Docker, containerd and umoci: each engine lens equals its engine, docker diff is ours; skopeo, umoci, crane, podman, containerd and Docker read what we write (root)
	$(call apt,containerd:containerd dockerd:docker.io umoci:umoci runc:runc skopeo:skopeo podman:podman)
	GOBIN='$(CURDIR)/bin/engines' CGO_ENABLED=0 GOWORK=off $(GO) install github.com/google/go-containerregistry/cmd/crane@v0.22.1
	CGO_ENABLED=0 $(GO) build -o bin/engines/layerlab ./cmd/layerlab
	LAYERLAB='$(CURDIR)/bin/engines/layerlab' PATH='$(CURDIR)/bin/engines:'"$$PATH" $(GO) test -tags engines -count=1 -timeout 60m -v ./e2e/engines

.PHONY: test-long
test-long: embedded ## 10,000 random stacks for each oracle, 1,000 starts with random kills, an image of a million entries, where `make test` takes hundreds or a few thousand (root)
	$(call apt,umoci:umoci containerd:containerd runc:runc dockerd:docker.io ip:iproute2)
	for seed in $$(seq 0 500 9500); do \
		LAYERLAB_SEED=$$seed LAYERLAB_STACKS=500 $(GO) test -tags engines -count=1 -timeout 60m -v -run 'TestContainerd$$' ./e2e/engines; \
	done
	LAYERLAB_STACKS=10000 $(GO) test -count=1 -timeout 60m -v -run 'SpecTree' ./runtime/snapshot
	LAYERLAB_STACKS=10000 $(GO) test -count=1 -timeout 60m -v -run 'Oracle|Umoci|LensesThatDiffer' ./imagecore/tree
	LAYERLAB_CORPUS_ALL=1 $(GO) test -count=1 -timeout 60m -v -run 'EveryFileOfTheCorpus' ./imagecore/command
	LAYERLAB_CORPUS_ALL=1 $(GO) test -count=1 -timeout 60m -v -run 'UploadsAreStoredAlike' ./server/serve
	LAYERLAB_CORPUS_ALL=1 $(GO) test -count=1 -timeout 60m -run 'CorpusGivesTheSameBytes' ./sandbox
	LAYERLAB_CORPUS_ALL=1 LAYERLAB_ENTRIES=1000000 $(GO) test -count=1 -timeout 60m -v -run 'MemoryIsBounded|ExitCodesOfTheCorpus' ./e2e
	LAYERLAB_STARTS=1000 $(GO) test -count=1 -timeout 60m -v -run 'NothingLeaksWhateverIsKilled' ./e2e
	LAYERLAB_SCHEDULES=3000 $(GO) test -count=1 -timeout 60m -v -run 'NoOrderOfSteps' ./server/store | grep -v '    --- PASS\|=== RUN'
	cd e2e/enumerate && CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod $(GO) build -o ../../bin/enumerator/amicontained github.com/genuinetools/amicontained
	LAYERLAB_ENUMERATOR=$(CURDIR)/bin/enumerator $(GO) test -tags compare -count=1 -timeout 20m -v -run 'AnEnumerator' ./e2e/compare
	LAYERLAB_DOCKER=/usr/bin/docker $(GO) test -count=1 -timeout 20m -run 'TestCommands|TestCommandLine' ./e2e
	LAYERLAB_CRASHES=500 LAYERLAB_CONTAINERS=200 $(GO) test -count=1 -timeout 60m -v -run 'KilledServer|ManyCallers' ./e2e
	$(MAKE) --no-print-directory test-uml fuzz

.PHONY: test-uml
test-uml: ## the runtime's tests on Linux 6.1 with cgroup2 alone, in User-Mode Linux
	$(call apt,linux.uml:user-mode-linux mkfs.ext4:e2fsprogs busybox:busybox-static)
	$(GO) test -tags uml -count=1 -v -timeout 20m ./e2e/uml | grep -vE '^(=== |\s*--- PASS)'

.PHONY: pictures
pictures: needs build site e2e/browser/node_modules/.ready ## take the README's screenshots anew, and the pictures that the main views are compared with
	cd e2e/browser && $(NPM) run screenshots && $(NPM) run pictures

.PHONY: cross
cross: ## build for the systems on which the archive commands run: Linux on arm64, macOS, Windows
	GOOS=linux GOARCH=arm64 $(GO) build ./...
	GOOS=darwin GOARCH=arm64 $(GO) build ./...
	GOOS=windows GOARCH=amd64 $(GO) build ./...

# Making one input smaller may else take the whole minute: 239 runs instead of 300,000.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (1m)
	@grep -rl --include='*_test.go' '^func Fuzz' imagecore runtime server sandbox cmd | xargs -n1 dirname | sort -u | while read -r dir; do \
		grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | sed 's/func //' | while read -r name; do \
			echo "$$dir $$name"; $(GO) test "./$$dir" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime $(MINIMIZE); \
		done; \
	done

.PHONY: bench
bench: build ## the archive commands beside dive, crane, skopeo, umoci and openssl, by turns, with ratios
	$(call apt,skopeo:skopeo umoci:umoci openssl:openssl taskset:util-linux)
	$(GO) run ./e2e/bench -layerlab bin/layerlab -fetch

.PHONY: bench-web
bench-web: build site e2e/browser/node_modules/.ready ## the page in Chromium: figures, no pass or fail; PART=tree, preview, paint or terminal: that part alone
	cd e2e/browser && $(NPM) run bench -- $(if $(PART),$(PART).bench.ts)

.PHONY: bench-go
bench-go: ## the benchmarks of single packages
	$(GO) test -run '^$$' -bench . -benchmem ./imagecore/... ./runtime/... ./server/... ./sandbox/...

.PHONY: bench-engine
bench-engine: build bin/layerlab-helper bin/samples/sample.tar ## the server's engine beside dockerd, umoci, tar and a bare veth, by turns, with ratios (root)
	$(call apt,dockerd:docker.io umoci:umoci runc:runc ip:iproute2)
	$(GO) run ./e2e/enginebench -only '^[^d]' -layerlab bin/layerlab -runtime bin/layerlab-runtime -helper bin/layerlab-helper -samples bin/samples

.PHONY: bench-docker
bench-docker: build bin/layerlab-helper bin/samples/sample.tar ## what the docker command line asks for, beside dockerd: load, load again, save, export, commit, run, exec, diff (root)
	$(call apt,dockerd:docker.io docker:docker.io runc:runc ip:iproute2)
	$(GO) run ./e2e/enginebench -only '^docker' -layerlab bin/layerlab -runtime bin/layerlab-runtime -helper bin/layerlab-helper -samples bin/samples

.PHONY: bench-runtime
bench-runtime: bin/layerlab-runtime bin/layerlab-helper ## runs, execs and starts from layers beside crun and runc, by turns, with ratios (root)
	$(call apt,runc:runc crun:crun unshare:util-linux)
	$(GO) run ./e2e/speed -runtime bin/layerlab-runtime -helper bin/layerlab-helper

.PHONY: needs
needs: # Chromium, letters for Chinese (the pictures of the page), a C compiler (for the race detector) and libseccomp (to compare with), other runtimes, newuidmap, by apt where they are missing and this is root
	@missing=; \
	command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	test -e /usr/include/seccomp.h || missing="$$missing libseccomp-dev"; \
	fc-list :lang=zh family 2>/dev/null | grep -q 'Noto Sans CJK' || missing="$$missing fontconfig fonts-noto-cjk"; \
	for x in runc:runc crun:crun newuidmap:uidmap; do command -v $${x%%:*} >/dev/null || missing="$$missing $${x##*:}"; done; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="$$missing chromium"; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
		else echo "please install:$$missing"; exit 1; fi; \
	fi

.PHONY: clean
clean: ## remove what was built
	rm -rf bin web/node_modules e2e/browser/node_modules web/src/io/imagecore.wasm web/src/io/cases.tar.gz
	find $(DIST) $(PAGE) $(EMBEDDED) -mindepth 1 -not -name .keep -not -name '*.go' -delete
