package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/layerlab/layerlab/"

// rule forbids imports. Paths ending in "/..." mean the folder and all
// beneath it; our own are relative to the module.
type rule struct {
	from   string
	except []string // packages of from that the rule does not bind
	not    []string // what they must not import, directly
	but    []string // of not, what they may
	reason string
}

var rules = []rule{
	{
		from:   "imagecore/...",
		except: []string{"imagecore/imagetest", "imagecore/imagetest/real"},
		not:    []string{"os", "os/...", "net", "net/...", "syscall", "golang.org/x/sys/...", "log", "log/..."},
		but:    []string{"net/url"}, // text alone
		reason: "imagecore runs in the browser and in the sandbox: no system, no network",
	},
	{
		from:   "imagecore/...",
		not:    []string{"runtime/...", "server/...", "sandbox/...", "cmd/...", "web/...", "github.com/tetratelabs/..."},
		reason: "data flows from imagecore outwards, never back",
	},
	{
		from:   "imagecore",
		not:    []string{"imagecore/..."},
		but:    []string{"imagecore/fault"}, // errors, for programs that need nothing else
		reason: "the root package holds nouns; verbs live beneath it",
	},
	{
		from:   "...",
		not:    []string{"imagecore/imagetest/real"},
		reason: "what others made is for tests alone",
	},
	{
		from:   "imagecore/codec/...",
		not:    []string{"sync", "sync/..."},
		reason: "it works for one goroutine alone: make test-go has no race detector look at it",
	},
	{
		from:   "imagecore/tarscan",
		not:    []string{"sync", "sync/..."},
		reason: "as above",
	},
	{
		from:   "runtime/seccomp",
		not:    []string{"sync", "sync/..."},
		reason: "as above",
	},
	{
		from:   "runtime/plan",
		not:    []string{"os", "os/...", "net", "net/...", "syscall", "golang.org/x/sys/...", "runtime/..."},
		but:    []string{"runtime/plan/words"},
		reason: "a plan is data: it is made and shown on any system",
	},
	{
		from:   "runtime/...",
		not:    []string{"server/...", "sandbox/...", "cmd/...", "net/http", "github.com/labstack/...", "github.com/gorilla/..."},
		reason: "the runtime knows the kernel, not who asks",
	},
	{
		from:   "sandbox/...",
		not:    []string{"runtime/...", "server/...", "cmd/...", "net", "net/..."},
		reason: "the sandbox knows imagecore and wazero alone",
	},
	{
		from:   "sandbox/guest",
		not:    []string{"os", "os/...", "syscall", "golang.org/x/sys/...", "github.com/tetratelabs/..."},
		reason: "the guest is compiled into the module; its host is elsewhere",
	},
	{
		from:   "server/...",
		not:    []string{"cmd/..."},
		reason: "cmd wires the server, not the other way round",
	},
	{
		from:   "server/labapi/...",
		not:    []string{"server/engine/...", "server/terminal", "server/webui", "server/dockerapi/...", "server/store"},
		reason: "a surface knows the services through its own small interfaces",
	},
	{
		from:   "server/terminal",
		not:    []string{"server/engine/...", "server/labapi", "server/webui", "server/dockerapi/...", "server/store"},
		reason: "a surface knows the services through its own small interfaces",
	},
	{
		from:   "server/dockerapi/...",
		not:    []string{"server/engine/...", "server/labapi", "server/terminal", "server/webui", "server/store", "server/serve"},
		reason: "a surface knows the services through its own small interfaces",
	},
	{
		from:   "server/webui",
		not:    []string{"server/...", "runtime/..."},
		reason: "the page's files need no service",
	},
	{
		from:   "server/engine/...",
		not:    []string{"net/http", "github.com/labstack/...", "github.com/gorilla/...", "server/labapi", "server/terminal", "server/webui"},
		reason: "services do not know the network",
	},
	{
		from:   "server/store",
		not:    []string{"net/http", "github.com/labstack/...", "github.com/gorilla/...", "server/engine/...", "server/labapi"},
		reason: "the store does not know who uses it",
	},
	{
		from:   "...",
		except: []string{"server/..."},
		not:    []string{"github.com/labstack/...", "github.com/gorilla/..."},
		reason: "echo and gorilla/websocket stay in server",
	},
	{
		from:   "...",
		except: []string{"sandbox"},
		not:    []string{"github.com/tetratelabs/..."},
		reason: "wazero stays in sandbox",
	},
	{
		from:   "...",
		except: []string{"runtime/network/egress/userspace"},
		not:    []string{"gvisor.dev/gvisor/..."},
		reason: "a TCP/IP stack of 4 MB stays in the one process that needs it",
	},
	{
		from:   "...",
		except: []string{"cmd/layerlab-egress", "runtime/network/egress"}, // the latter's tests
		not:    []string{"runtime/network/egress/userspace"},
		reason: "a TCP/IP stack of 4 MB stays in the one process that needs it",
	},
	{
		from:   "...",
		except: []string{"server/..."},
		not:    []string{"go.etcd.io/bbolt"},
		reason: "only the server opens meta.db",
	},
	{
		from:   "...",
		except: []string{"cmd/..."},
		not:    []string{"github.com/spf13/..."},
		reason: "command lines are cmd's",
	},
	{
		from:   "cmd/...",
		not:    []string{"github.com/opencontainers/cgroups/...", "github.com/moby/profiles/...", "go.etcd.io/bbolt"},
		reason: "cmd holds no logic: it wires",
	},
	{
		from:   "cmd/imagecore-wasm",
		not:    []string{"os", "net", "net/...", "imagecore/..."},
		reason: "the module's command binds package guest to its imports, and does nothing else",
	},
	{
		from:   "...",
		not:    []string{"unsafe"},
		except: []string{"cmd/imagecore-wasm", "runtime/..."},
		reason: "unsafe is for system calls and the module's binary interface",
	},
	{
		from:   "...",
		not:    []string{"C", "io/ioutil", "math/rand"},
		reason: "no cgo; the others are superseded",
	},
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

// matches says whether path is the package or within the folder of pattern.
func matches(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == folder || strings.HasPrefix(path, folder+"/")
	}
	return path == pattern
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// broken returns what a package's import breaks; nil is nothing. Paths are
// relative to the module where they are ours.
func broken(from, to string, own bool) []rule {
	var found []rule
	for _, r := range rules {
		if !matches(r.from, from) || matchesAny(r.except, from) || !matchesAny(r.not, to) || matchesAny(r.but, to) {
			continue
		}
		// "runtime/..." of ours is not Go's own runtime.
		if !own && ours(to, r.not) {
			continue
		}
		found = append(found, r)
	}
	return found
}

// ours says that the pattern that to meets means a folder of this module,
// although to is the standard library's.
func ours(to string, patterns []string) bool {
	for _, p := range patterns {
		if matches(p, to) {
			top, _, _ := strings.Cut(p, "/")
			return slices.Contains([]string{"imagecore", "runtime", "sandbox", "server", "cmd", "web", "e2e"}, top)
		}
	}
	return false
}

func TestImportsFollowTheRules(t *testing.T) {
	checked := 0
	for _, system := range []string{"linux", "darwin", "wasip1"} {
		for _, p := range list(t, system) {
			from := strings.TrimPrefix(p.ImportPath, module)
			for _, path := range p.Imports {
				to, own := strings.CutPrefix(path, module)
				for _, r := range broken(from, to, own) {
					t.Errorf("%s imports %s (%s): %s", from, to, system, r.reason)
				}
				checked++
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d imports were seen: the listing is wrong", checked)
	}
}

// TestRulesBite holds that each rule forbids something it names.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		from, to string
		own      bool
		want     int
	}{
		{"imagecore/tree", "os", false, 1},
		{"imagecore/tree", "server/store", true, 1},
		{"imagecore/tree", "runtime", false, 0}, // Go's
		{"imagecore", "imagecore/tree", true, 1},
		{"runtime/plan", "golang.org/x/sys/unix", false, 1},
		{"runtime/launch", "golang.org/x/sys/unix", false, 0},
		{"server/labapi", "server/engine", true, 1},
		{"server/labapi", "github.com/labstack/echo/v4", false, 0},
		{"sandbox", "github.com/labstack/echo/v4", false, 1},
		{"server/engine", "github.com/tetratelabs/wazero", false, 1},
		{"cmd/layerlab/internal/cli", "github.com/spf13/cobra", false, 0},
		{"server/serve", "github.com/spf13/cobra", false, 1},
	} {
		if got := broken(c.from, c.to, c.own); len(got) != c.want {
			t.Errorf("%s → %s: %d rules broken, want %d", c.from, c.to, len(got), c.want)
		}
	}
}

func TestOnlyKnownFoldersAtTheTop(t *testing.T) {
	out, err := exec.Command("git", "ls-tree", "-d", "--name-only", "--full-tree", "HEAD").Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	known := []string{"cmd", "server", "web", "imagecore", "runtime", "sandbox", "e2e"}
	for folder := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(folder, ".") && !slices.Contains(known, folder) {
			t.Errorf("folder %s at the top: the layout has %s", folder, strings.Join(known, " "))
		}
	}
}

// list returns the module's packages as they are built for a system.
func list(t *testing.T, system string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", module+"...")
	cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	if system == "wasip1" {
		cmd.Env = append(cmd.Env, "GOARCH=wasm")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v\n%s", system, err, &stderr)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
