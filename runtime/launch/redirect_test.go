//go:build linux

package launch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// withAndWithoutUsers runs a test for a container with a user namespace of its
// own, and for one whose root is the host's.
func withAndWithoutUsers(t *testing.T, f func(t *testing.T, root string, s *specs.Spec)) {
	t.Helper()
	needRoot(t)
	for _, userns := range []bool{true, false} {
		t.Run(map[bool]string{true: "user namespace", false: "host's users"}[userns], func(t *testing.T) {
			root := rootfs(t)
			s := serverSpec(t, root)
			if !userns {
				hostUsers(t, s, root)
			}
			f(t, root, s)
		})
	}
}

// own gives everything below the root to the container's root.
func own(t *testing.T, root string, s *specs.Spec) {
	t.Helper()
	id := 0
	if len(s.Linux.UIDMappings) > 0 {
		id = base
	}
	err := filepath.Walk(root, func(p string, _ os.FileInfo, err error) error {
		if err != nil {
			return nil // it was exchanged meanwhile
		}
		return os.Lchown(p, id, id)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// exchange swaps two names for ever, as a container does that shares a volume
// with one that is being started, until the returned function is called, which
// tells how often.
func exchange(t *testing.T, a, b string) (stop func() int64) {
	t.Helper()
	var n atomic.Int64
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
			n.Add(1)
		}
	}()
	return func() int64 { close(done); wg.Wait(); return n.Load() }
}

// TestExchangedLinksLeadNowhere: a mount point that turns into a link between
// being looked at and being mounted on would be mounted wherever the link leads
// (CVE-2021-30465), and one inside /proc or over it hides what the kernel's
// security modules read (CVE-2019-16884).
func TestExchangedLinksLeadNowhere(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, root string, s *specs.Spec) {
		outside := t.TempDir()
		if err := os.Mkdir(filepath.Join(outside, "in"), 0o777); err != nil {
			t.Fatal(err)
		}
		vol, link := filepath.Join(root, "vol"), filepath.Join(root, "link")
		if err := os.MkdirAll(filepath.Join(vol, "in"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
		own(t, root, s)
		s.Process.Args = []string{"/bin/probe", "inside:facts", "/proc/self/mountinfo"}
		s.Mounts = append(s.Mounts,
			specs.Mount{Destination: "/vol/in", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=68k"}},
			specs.Mount{Destination: "/vol/made", Type: "bind", Source: "/etc", Options: []string{"rbind", "ro"}})
		stop := exchange(t, vol, link)
		started := 0
		for range 25 {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			p, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Stdio: [3]int{-1, int(w.Fd()), -1}})
			w.Close()
			if err != nil {
				r.Close()
				continue // refused: what is made there vanished meanwhile
			}
			if err := p.Start(); err != nil {
				t.Error(err)
			}
			var f facts
			err = json.NewDecoder(r).Decode(&f)
			r.Close()
			p.Wait()
			p.Close()
			if err != nil {
				t.Fatal(err)
			}
			started++
			// What was mounted outside of the root cannot be reached and is not
			// in the list.
			if l := f.Files["/proc/self/mountinfo"]; strings.Count(l, "size=68k") != 1 {
				t.Errorf("the container's mounts: %s", l)
			}
			if up := f.Errors["above root"]; !strings.HasPrefix(up, "bin ") || strings.Contains(up, "boot") {
				t.Errorf("the root holds %s", up)
			}
		}
		n := stop()
		t.Logf("%d of 25 started, %d exchanges", started, n)
		if n < 100 || started == 0 {
			t.Errorf("nothing was tried: %d exchanges, %d started", n, started)
		}
		for _, d := range []string{outside, filepath.Join(outside, "in")} {
			var st unix.Statfs_t
			l, err := os.ReadDir(d)
			if err != nil || unix.Statfs(d, &st) != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, e := range l {
				if e.Name() != "in" {
					names = append(names, e.Name())
				}
			}
			if len(names) != 0 {
				t.Errorf("%s of the host holds %v", d, names)
			}
		}
	})
}

// TestWritesToProcAreNotRedirected: a runtime that writes to /proc through the
// container's tree writes wherever that leads: a link or a bind mount turned
// sysctls and security labels into writes to core_pattern (CVE-2025-52881).
func TestWritesToProcAreNotRedirected(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, root string, s *specs.Spec) {
		bait := filepath.Join(t.TempDir(), "bait")
		if err := os.WriteFile(bait, []byte("untouched"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(bait, 0o666); err != nil {
			t.Fatal(err)
		}
		// A folder of the image where /proc will be, with the setting as a link;
		// beside it another one, and the two change places all the time.
		for _, d := range []string{"proc", "other"} {
			for _, k := range []string{"sys/net/ipv4", "self/attr", "thread-self/attr"} {
				if err := os.MkdirAll(filepath.Join(root, d, k), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			for _, k := range []string{"sys/net/ipv4/ip_unprivileged_port_start", "self/attr/exec", "self/oom_score_adj", "self/uid_map"} {
				if err := os.Symlink(bait, filepath.Join(root, d, k)); err != nil {
					t.Fatal(err)
				}
			}
		}
		own(t, root, s)
		score := 100
		s.Process.OOMScoreAdj = &score
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "81"}
		s.Process.Args = []string{"/bin/probe", "inside:facts", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/self/oom_score_adj"}
		for _, c := range []struct {
			name   string
			mounts func([]specs.Mount) []specs.Mount
			seen   bool // whether the container has a proc to see it in
		}{
			{"proc", func(m []specs.Mount) []specs.Mount { return m }, true},
			{"none", func(m []specs.Mount) []specs.Mount { return m[1:] }, false},
			{"later", func(m []specs.Mount) []specs.Mount { return append(slices.Clone(m[1:]), m[0]) }, true},
		} {
			t.Run(c.name, func(t *testing.T) {
				x := *s
				x.Mounts = c.mounts(slices.Clone(s.Mounts))
				if !c.seen {
					l := *x.Linux
					l.MaskedPaths, l.ReadonlyPaths = nil, nil // of the image's own proc
					x.Linux = &l
				}
				for i := range 11 {
					if i == 1 { // the first one undisturbed
						stop := exchange(t, filepath.Join(root, "proc"), filepath.Join(root, "other"))
						defer stop()
					}
					var f facts
					r := runSpec(t, &x)
					if err := json.Unmarshal([]byte(r.out), &f); err != nil {
						t.Fatalf("%v: %q", err, r.out)
					}
					for file, want := range map[string]string{"/proc/sys/net/ipv4/ip_unprivileged_port_start": "81 <nil>", "/proc/self/oom_score_adj": "100 <nil>"} {
						got := f.Files[file]
						// Who exchanges the folder takes the container's proc away
						// with it: that is their own loss.
						if c.seen && got != want && (i == 0 || !strings.Contains(got, "no such file")) {
							t.Errorf("%s is %q", file, got)
						}
					}
				}
				if b, err := os.ReadFile(bait); err != nil || string(b) != "untouched" {
					t.Errorf("the host's file holds %q %v", b, err)
				}
			})
		}
	})
}

// TestKeyringsAreNotShared: the launcher's session keyring, with whatever keys
// its user has, must not be the container's, even where no filter keeps it from
// asking.
func TestKeyringsAreNotShared(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, root string, s *specs.Spec) {
		s.Linux.Seccomp = nil
		s.Process.Args = []string{"/bin/probe", "inside:keys"}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		program, err := static()
		if err != nil {
			t.Fatal(err)
		}
		// A keyring belongs to a thread: a program of its own launches.
		cmd := osexec.Command(program, "inside:launch-with-key")
		cmd.Stdin = strings.NewReader(string(raw))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := string(out); got != "launcher has it\ncontainer: required key not available\n" {
			t.Errorf("%q", got)
		}
	})
}

// launchWithKey puts a key into a session keyring and launches the spec that it
// reads.
func launchWithKey() int {
	var s specs.Spec
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	if _, err := unix.KeyctlJoinSessionKeyring("layerlab-test"); err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	if _, err := unix.AddKey("user", "layerlab-secret", []byte("x"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	os.Stdout.WriteString("launcher " + hasKey() + "\n")
	p, err := Create(context.Background(), Config{Spec: &s, Rootfs: -1, Stdio: [3]int{-1, 1, 2}})
	if err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	defer p.Close()
	if err := p.Start(); err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	p.Wait()
	return 0
}

func hasKey() string {
	_, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", "layerlab-secret", 0)
	if err != nil {
		return err.Error()
	}
	return "has it"
}

// TestTerminalIsNotRedirected: an image whose /dev/console is a link would have
// the terminal bound where it leads (CVE-2025-52565).
func TestTerminalIsNotRedirected(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, root string, s *specs.Spec) {
		outside := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(outside, []byte("untouched"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(root, "dev/pts"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]string{"dev/console": "/proc/sys/kernel/core_pattern", "dev/ptmx": outside} {
			if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		own(t, root, s)
		// The image's own /dev, with a devpts in it.
		s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool {
			return m.Destination == "/dev" || m.Destination == "/dev/shm" || m.Destination == "/dev/mqueue"
		})
		s.Process.Terminal = true
		s.Process.Args = []string{"/bin/probe", "inside:tty"}
		p, err := Create(context.Background(), Config{Spec: s})
		if err == nil {
			p.Signal(unix.SIGKILL)
			p.Wait()
			p.Close()
		}
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != "mount-over-proc" {
			t.Errorf("a terminal over core_pattern: %v", err)
		}
		// A link to a place of the image's own is followed there.
		if err := os.Remove(filepath.Join(root, "dev/console")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(root, "dev/console")); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(outside)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, outside), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		own(t, root, s)
		p, err = Create(context.Background(), Config{Spec: s})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Error(err)
		}
		out, _ := io.ReadAll(p.Master()) // EIO when the last end inside closes
		p.Wait()
		p.Close()
		if !strings.Contains(string(out), "console true") {
			t.Errorf("%q", out)
		}
		if b, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err != nil || strings.Contains(string(b), "written to the console") {
			t.Errorf("core_pattern is %q %v", b, err)
		}
		if b, err := os.ReadFile(outside); err != nil || string(b) != "untouched" {
			t.Errorf("the host's file holds %q %v", b, err)
		}
	})
}
