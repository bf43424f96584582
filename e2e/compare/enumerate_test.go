//go:build linux && compare

package compare

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// findings are what an enumerator of containers says of the one that it runs in.
type findings struct {
	capabilities map[string][]string // by set
	blocked      []string            // system calls that are refused
	lines        map[string]string   // the others, by what stands before the colon
}

// enumerated reads the report of amicontained.
func enumerated(report string) findings {
	f := findings{capabilities: map[string][]string{}, lines: map[string]string{}}
	var at string
	for line := range strings.Lines(report) {
		line = strings.TrimRight(line, "\n")
		text, indented := strings.CutPrefix(line, "\t")
		if set, list, ok := strings.Cut(text, " -> "); ok && indented && at == "Capabilities" {
			f.capabilities[set] = strings.Fields(list)
			continue
		}
		if indented && strings.HasPrefix(at, "Blocked") {
			f.blocked = append(f.blocked, strings.Fields(text)...)
			continue
		}
		var value string
		if at, value, _ = strings.Cut(text, ":"); value != "" {
			f.lines[at] = strings.TrimSpace(value)
		}
	}
	return f
}

// TestAnEnumeratorFindsNoMoreThanInDocker runs a third party's enumerator in a
// container of each engine, as it is by default: no capability is there, and no
// system call goes through, that Docker's default has not. It tries every system
// call with zeros: it must never run outside of a container.
func TestAnEnumeratorFindsNoMoreThanInDocker(t *testing.T) {
	if why := ready(); why != "" {
		t.Skip(why)
	}
	tools := os.Getenv("LAYERLAB_ENUMERATOR")
	if tools == "" {
		t.Skip("LAYERLAB_ENUMERATOR is not set to the folder of amicontained: make test-long builds it")
	}
	archive := sample(t)
	var found []findings
	for _, e := range []*engine{startDockerd(t), startLayerlab(t)} {
		e.prepare(t, archive)
		// One of the calls makes its parent its tracer (ptrace(2)), which knows
		// nothing of it: it may stop for ever at its end, when all has been said.
		id := e.sh(t.Context(), "docker run -d --name enumerated -v "+tools+":/tools:ro lab:1 /tools/amicontained")
		if id.exit != 0 {
			t.Fatalf("%s: %s", e.name, id)
		}
		said := ""
		for late := time.Now().Add(time.Minute); !strings.Contains(said, "Looking for"); time.Sleep(200 * time.Millisecond) { // logs -f may not end
			if said = e.sh(t.Context(), "docker logs enumerated").out; time.Now().After(late) {
				t.Fatalf("%s: %s", e.name, said)
			}
		}
		if a := e.sh(t.Context(), "docker rm -f enumerated"); a.exit != 0 {
			t.Errorf("%s: %s", e.name, a)
		}
		// dockerd takes one that is stopped by its tracer, its shim, for dead.
		endAll(t, strings.TrimSpace(id.out))
		t.Logf("%s\n%s", e.name, said)
		found = append(found, enumerated(said))
	}
	docker, ours := found[0], found[1]
	if len(docker.capabilities["BOUNDING"]) == 0 || len(docker.blocked) == 0 || len(ours.blocked) == 0 {
		t.Fatalf("nothing was found: %+v %+v", docker, ours)
	}
	for set, list := range ours.capabilities {
		if set == "AMBIENT" || set == "INHERITABLE" {
			t.Errorf("%s %v", set, list)
		}
		for _, one := range list {
			if !slices.Contains(docker.capabilities["BOUNDING"], one) {
				t.Errorf("capability %s (%s)", one, set)
			}
		}
	}
	today := map[string]bool{} // what Docker's profile lets through without a capability; Debian's is of 2020
	for _, rule := range seccomp.DefaultProfile().Syscalls {
		if rule.Action == specs.ActAllow && (rule.Includes == nil || len(rule.Includes.Caps) == 0) {
			for _, name := range rule.Names {
				today[strings.ToUpper(name)] = true
			}
		}
	}
	for _, call := range docker.blocked {
		if !slices.Contains(ours.blocked, call) && !today[call] {
			t.Errorf("%s goes through", call)
		}
	}
	if ours.lines["Seccomp"] != "filtering" {
		t.Errorf("seccomp: %s", ours.lines["Seccomp"])
	}
	t.Logf("Docker refuses %d system calls, layerlab %d", len(docker.blocked), len(ours.blocked))
}

// endAll kills the processes of a container and its shim.
func endAll(t *testing.T, id string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must(t, err)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		groups, _ := os.ReadFile("/proc/" + entry.Name() + "/cgroup") // it may have ended
		args, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if bytes.Contains(groups, []byte(id)) || bytes.Contains(args, []byte("shim")) && bytes.Contains(args, []byte(id)) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
