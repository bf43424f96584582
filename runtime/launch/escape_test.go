//go:build linux

package launch

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ways out of containers that others had, tried inside; each must fail.
func tryEscapes() map[string]string {
	e := map[string]string{}
	note := func(what string, err error) {
		e[what] = "done"
		if err != nil {
			e[what] = err.Error()
		}
	}
	sys := func(nr, a, b, c, d uintptr) error {
		if _, _, errno := unix.RawSyscall6(nr, a, b, c, d, 0, 0); errno != 0 {
			return errno
		}
		return nil
	}
	write := func(p, text string) error {
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString(text)
		return err
	}
	note("core_pattern", write("/proc/sys/kernel/core_pattern", "|/bin/probe"))
	note("sysrq", write("/proc/sysrq-trigger", "h"))
	note("uevent_helper", write("/sys/kernel/uevent_helper", "/bin/probe"))
	note("CVE-2022-0492 mount a hierarchy", unix.Mount("cgroup", "/tmp", "cgroup", 0, "memory"))
	note("CVE-2022-0492 unshare", unix.Unshare(unix.CLONE_NEWUSER|unix.CLONE_NEWCGROUP))
	agent := fs.ErrNotExist
	filepath.WalkDir("/sys/fs/cgroup", func(p string, d fs.DirEntry, err error) error {
		if err == nil && slices.Contains([]string{"release_agent", "devices.allow", "cgroup.procs", "tasks"}, d.Name()) {
			if err := write(p, "0"); err == nil {
				e["cgroup escape "+p] = "done"
			} else {
				agent = err
			}
		}
		return nil
	})
	note("cgroup escape", agent)
	_, err := unix.Fsopen("ext4", 0)
	note("CVE-2022-0185 fsopen", err)
	note("io_uring", sys(unix.SYS_IO_URING_SETUP, 8, 0, 0, 0))
	_, err = unix.AddKey("user", "k", []byte("x"), unix.KEY_SPEC_SESSION_KEYRING)
	note("add_key", err)
	_, err = unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", "k", 0)
	note("keyctl", err)
	note("bpf", sys(unix.SYS_BPF, 0, 0, 0, 0))
	note("userfaultfd", sys(unix.SYS_USERFAULTFD, 0, 0, 0, 0))
	note("perf_event_open", sys(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0))
	note("open_by_handle_at", sys(unix.SYS_OPEN_BY_HANDLE_AT, 0, 0, 0, 0))
	note("kexec_load", sys(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0))
	note("init_module", sys(unix.SYS_INIT_MODULE, 0, 0, 0, 0))
	return e
}

func TestKnownWaysOutAreClosed(t *testing.T) {
	needRoot(t)
	for _, userns := range []bool{true, false} {
		name := map[bool]string{true: "user namespace", false: "host's users"}[userns]
		t.Run(name, func(t *testing.T) {
			root := rootfs(t)
			s := serverSpec(t, root, "inside:escapes")
			if !userns {
				hostUsers(t, s, root)
			}
			r := runSpec(t, s)
			var e map[string]string
			if err := json.Unmarshal([]byte(r.out), &e); err != nil {
				t.Fatalf("%v: %q", err, r.out)
			}
			if len(e) < 16 {
				t.Errorf("only %d ways were tried: %v", len(e), e)
			}
			for way, what := range e {
				if what == "done" {
					t.Errorf("%s worked", way)
				}
			}
		})
	}
}

// hostUsers takes the user namespace away.
func hostUsers(t *testing.T, s *specs.Spec, root string) {
	t.Helper()
	s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
	s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
	err := filepath.Walk(root, func(p string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, 0, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMasksAreTheHostsNull: an image whose /dev/null is a link would have the
// link's target bound over each masked path, and be able to write it
// (CVE-2025-31133); one whose /dev/console is a link would have the terminal
// bound elsewhere (CVE-2025-52565).
func TestMasksAreTheHostsNull(t *testing.T) {
	needRoot(t)
	for _, userns := range []bool{true, false} {
		root := rootfs(t)
		if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, n := range []string{"null", "console"} {
			if err := os.Symlink("/proc/sys/kernel/core_pattern", filepath.Join(root, "dev", n)); err != nil {
				t.Fatal(err)
			}
		}
		s := serverSpec(t, root, "inside:facts", "/proc/keys", "/proc/interrupts")
		filepath.Walk(root, func(p string, _ os.FileInfo, _ error) error { return os.Lchown(p, base, base) })
		if !userns {
			hostUsers(t, s, root)
		}
		// The image's own /dev, as a config without a mount there has it.
		s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return strings.HasPrefix(m.Destination, "/dev") })
		s.Linux.Devices = nil
		r := runSpec(t, s)
		var f facts
		if err := json.Unmarshal([]byte(r.out), &f); err != nil {
			t.Fatalf("%v: %q", err, r.out)
		}
		for p, got := range f.Files {
			if strings.TrimSpace(got) != "<nil>" {
				t.Errorf("user namespace %v: masked %s reads %q", userns, p, got)
			}
		}
	}
}
