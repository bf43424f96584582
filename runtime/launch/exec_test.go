//go:build linux

package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/cgroup"
)

func ownScore(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestExecHasItsLimits: limits and out-of-memory score are those of the process
// that is started, with and without a stop between clone and execve, and the
// launcher keeps its own: the kernel gives a score to everybody who shares the
// memory.
func TestExecHasItsLimits(t *testing.T) {
	needRoot(t)
	before := ownScore(t)
	s := serverSpec(t, rootfs(t))
	score := 321
	s.Process.OOMScoreAdj = &score
	p, end := waiting(t, s)
	defer end()
	if after := ownScore(t); after != before {
		t.Errorf("a container with a score of %d made the launcher's %s, from %s", score, after, before)
	}
	for name, more := range map[string][]specs.POSIXRlimit{
		"straight": nil,
		"stopping": {{Type: "RLIMIT_NPROC", Soft: 50, Hard: 60}},
	} {
		x := *s.Process
		score := 432
		x.OOMScoreAdj = &score
		x.Rlimits = append([]specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 3, Hard: 4}, {Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}, more...)
		x.Args = []string{"probe", "inside:limits"}
		out, _ := execOut(t, p, &x)
		var got struct {
			Score             string
			Core, Files, Proc unix.Rlimit
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: %v: %q", name, err, out)
		}
		if got.Score != "432" || got.Core != (unix.Rlimit{Cur: 3, Max: 4}) || got.Files != (unix.Rlimit{Cur: 100, Max: 200}) {
			t.Errorf("%s: %+v", name, got)
		}
		if more != nil && got.Proc != (unix.Rlimit{Cur: 50, Max: 60}) {
			t.Errorf("%s: %+v", name, got)
		}
		if after := ownScore(t); after != before {
			t.Errorf("%s: an exec made the launcher's score %s, from %s", name, after, before)
		}
	}
}

// TestExecCanBeGivenUp: in a frozen cgroup an exec stands still; its context ends
// it, and nothing of it stays.
func TestExecCanBeGivenUp(t *testing.T) {
	needRoot(t)
	s := serverSpec(t, rootfs(t))
	g, err := cgroup.Create("/layerlab-test/given-up-"+filepath.Base(filepath.Dir(t.TempDir())), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Remove()
	p, end := waiting(t, s)
	defer end()
	p.cgroup = g
	if err := g.Freeze(); err != nil {
		t.Fatal(err)
	}
	defer g.Thaw()
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := Exec(ctx, p, s.Process, ExecConfig{Stdio: [3]int{-1, -1, -1}, EvenPaused: true})
		failed <- err
	}()
	// The kernel tells nobody that a process has joined.
	for deadline := time.Now().Add(10 * time.Second); ; {
		if l, err := g.Pids(); err != nil || len(l) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody joined the frozen cgroup")
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if l, err := g.Pids(); err != nil || len(l) > 0 {
		t.Errorf("processes %v stay: %v", l, err)
	}
}

// limitsInside prints what limits a process has.
func limitsInside() int {
	b, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var core, files, proc unix.Rlimit
	for n, l := range map[int]*unix.Rlimit{unix.RLIMIT_CORE: &core, unix.RLIMIT_NOFILE: &files, unix.RLIMIT_NPROC: &proc} {
		if err := unix.Getrlimit(n, l); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	files.Cur = min(files.Cur, 100) // Go raises its own
	json.NewEncoder(os.Stdout).Encode(map[string]any{"Score": strings.TrimSpace(string(b)), "Core": core, "Files": files, "Proc": proc})
	return 0
}
