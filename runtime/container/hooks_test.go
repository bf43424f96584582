//go:build linux

package container

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// script is a hook that runs a shell. On the machine of make test-uml that needs
// to be told which of the processor's registers it may use.
func script(text string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", text}, Env: []string{"PATH=/bin:/usr/bin", "GLIBC_TUNABLES=" + os.Getenv("GLIBC_TUNABLES")}}
}

func TestHooksGetTheStateAndNothingElse(t *testing.T) {
	t.Setenv("SECRET", "of the caller")
	out := filepath.Join(t.TempDir(), "out")
	st := specs.State{Version: specs.Version, ID: "c", Status: specs.StateCreating, Pid: 42, Bundle: "/b", Annotations: map[string]string{"k": "v"}}
	h := script("cat > " + out + "; echo \"$0 $GIVEN $SECRET\" >> " + out + "; exit 0")
	h.Args = append(h.Args, "zero")
	h.Env = append(h.Env, "GIVEN=yes")
	if err := runHooks(context.Background(), "createRuntime", []specs.Hook{h}, st); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	raw, rest, _ := strings.Cut(string(b), "}zero")
	var got specs.State
	if err := json.Unmarshal([]byte(raw+"}"), &got); err != nil || got.Pid != 42 || got.ID != "c" || got.Annotations["k"] != "v" || got.Status != specs.StateCreating {
		t.Errorf("%v: %s", err, b)
	}
	if strings.TrimSpace(rest) != "yes" {
		t.Errorf("environment: %q", rest)
	}
}

func TestAFailingHookEndsTheOthersAndTells(t *testing.T) {
	dir := t.TempDir()
	l := []specs.Hook{
		script("echo 1 >> " + dir + "/log"),
		script("echo said this; echo and that >&2; exit 3"),
		script("echo 3 >> " + dir + "/log"),
	}
	err := runHooks(context.Background(), "prestart", l, specs.State{})
	for _, want := range []string{"error running prestart hook #1", "/bin/sh", "exit status 3", "said this", "and that"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if b, _ := os.ReadFile(dir + "/log"); string(b) != "1\n" {
		t.Errorf("ran: %q", b)
	}
	if err := runHooks(context.Background(), "prestart", []specs.Hook{{Path: dir + "/absent"}}, specs.State{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent hook: %v", err)
	}
}

func TestHooksAfterTheEndRunWhateverBecameOfOthers(t *testing.T) {
	dir := t.TempDir()
	c := &Container{Spec: &specs.Spec{Hooks: &specs.Hooks{Poststop: []specs.Hook{
		script("cat > " + dir + "/state; exit 1"), script("echo 2 > " + dir + "/second"),
	}}}, State: State{ID: "c", PID: os.Getpid()}}
	c.postStop(context.Background())
	var st specs.State
	b, err := os.ReadFile(dir + "/state")
	if err != nil || json.Unmarshal(b, &st) != nil || st.Status != specs.StateStopped || st.Pid != 0 {
		t.Errorf("%v %s", err, b)
	}
	if _, err := os.Stat(dir + "/second"); err != nil {
		t.Error(err)
	}
}

func TestAHookThatDoesNotReadItsInputIsFine(t *testing.T) {
	st := specs.State{Annotations: map[string]string{"large": strings.Repeat("x", 1<<20)}}
	if err := runHooks(context.Background(), "poststart", []specs.Hook{script("exec <&-; exit 0")}, st); err != nil {
		t.Error(err)
	}
}

func TestAHooksChildrenEndWithItsTime(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(dir+"/alive", 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(dir+"/alive", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	one := 1
	h := script("sleep 1000 > " + dir + "/alive & sleep 1000")
	h.Timeout = &one
	if err := runHooks(context.Background(), "prestart", []specs.Hook{h}, specs.State{}); err == nil {
		t.Error("it was not stopped")
	}
	if _, err := io.ReadAll(r); err != nil { // ends when no process holds the other end
		t.Error(err)
	}
	if err := runHooks(context.Background(), "prestart", []specs.Hook{script("sleep 2 & exit 0")}, specs.State{}); err != nil {
		t.Errorf("a hook that leaves a daemon: %v", err)
	}
}
