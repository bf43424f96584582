//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// withAndWithoutUsers runs a test for containers with a user namespace of their
// own, and for those whose root is the host's.
func withAndWithoutUsers(t *testing.T, f func(t *testing.T, b *bench, users func(s *specs.Spec))) {
	for _, userns := range []bool{true, false} {
		t.Run(map[bool]string{true: "user namespace", false: "host's users"}[userns], func(t *testing.T) {
			b := newBench(t)
			ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 300000, Size: 65536}}
			f(t, b, func(s *specs.Spec) {
				if !userns {
					return
				}
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
				s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
				filepath.Walk(filepath.Join(b.bundle, "rootfs"), func(p string, _ os.FileInfo, _ error) error { return os.Lchown(p, 300000, 300000) })
			})
		})
	}
}

// TestOurProgramCannotBeOverwritten makes the runtime execute itself inside a
// container whose first process lies in wait for it (CVE-2019-5736): as it is
// where the container has users of its own, from an overlay where it has not,
// and from memory where the kernel makes none of our folders.
func TestOurProgramCannotBeOverwritten(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, b *bench, users func(s *specs.Spec)) {
		if strings.Contains(t.Name(), "user_namespace") {
			overwrite(t, b, users, regexp.MustCompile("^"+regexp.QuoteMeta(b.bin)+"$"))
			return
		}
		overwrite(t, b, users, regexp.MustCompile("^/layerlab-runtime$"))
	})
	t.Run("host's users, no overlay", func(t *testing.T) {
		b := newBench(t)
		b.root = filepath.Join(filepath.Dir(b.bin), "state") // one folder within the other: ELOOP
		overwrite(t, b, func(*specs.Spec) {}, regexp.MustCompile("^/memfd:layerlab-runtime"))
	})
}

// overwrite attacks; from tells which file the container's process is of until it
// becomes its command.
func overwrite(t *testing.T, b *bench, users func(s *specs.Spec), from *regexp.Regexp) {
	if err := os.Symlink("/proc/self/exe", filepath.Join(b.bundle, "rootfs/bin/self")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(b.bin)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(b.bundle, "rootfs/report")
	b.config([]string{"attack", "/report"}, func(s *specs.Spec) {
		// With everything that a container of the host's root may have.
		s.Process.Capabilities, s.Process.NoNewPrivileges = nil, false
		users(s)
	})
	if err := os.Chmod(filepath.Join(b.bundle, "rootfs"), 0o777); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(b.dir, "pid")
	b.want(0, "", "create", "-b", b.bundle, "--pid-file", pidFile, "a1")
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if exe, err := os.Readlink("/proc/" + string(pid) + "/exe"); err != nil || !from.MatchString(exe) {
		t.Errorf("the runtime ran from %q, want %s: %v", exe, from, err)
	}
	b.want(0, "", "start", "a1")
	// The link as the container's own command, and of further ones.
	var outcome []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		b.run("exec", "a1", "/bin/self", "features")
		if outcome, err = os.ReadFile(report); err == nil && len(outcome) > 0 {
			break
		}
	}
	t.Logf("%s", outcome)
	if !regexp.MustCompile(`^(open|write) refused: (permission denied|operation not permitted|read-only file system)`).Match(outcome) {
		t.Errorf("the attack: %q", outcome)
	}
	after, err := os.ReadFile(b.bin)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the program on disk is another one: %v", err)
	}
	b.want(0, "", "delete", "--force", "a1")
	b.want(0, "spec: ", "--version")
}

// TestNothingOfTheCallerLeaks: descriptors, environment, capabilities and
// signals of whoever calls stay outside (CVE-2024-21626).
func TestNothingOfTheCallerLeaks(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, b *bench, users func(s *specs.Spec)) {
		b.config([]string{"wait"}, func(s *specs.Spec) { users(s) })
		call := func(args ...string) string {
			t.Helper()
			cmd := exec.Command(b.bin, append([]string{"--root", b.root}, args...)...)
			cmd.Env = append(os.Environ(), "SECRET=of-the-caller", "LISTEN_FDS=3")
			// A folder and a file of the host, without close-on-exec.
			dir, err := os.Open("/etc")
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			file, err := os.Open(filepath.Join(b.bundle, "config.json"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			cmd.ExtraFiles = []*os.File{dir, nil, file}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %v: %s", args, err, out)
			}
			return string(out)
		}
		check := func(what, out string) {
			t.Helper()
			if strings.Contains(out, "SECRET") || strings.Contains(out, "LISTEN_FDS") {
				t.Errorf("%s has the caller's environment: %s", what, out)
			}
			for _, l := range regexp.MustCompile(`(?m)^fd (\d+) (.*)$`).FindAllStringSubmatch(out, -1) {
				if len(l[1]) > 1 || l[1] > "2" {
					// Go's own poller and the folder being read.
					if !strings.HasPrefix(l[2], "anon_inode:") && !strings.HasPrefix(l[2], "/proc/") && !strings.HasPrefix(l[2], "/sys/fs/cgroup/") && l[2] != "" {
						t.Errorf("%s has descriptor %s: %s", what, l[1], l[2])
					}
				}
			}
			for _, want := range []string{"CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "CapEff:\t0000000020000420", "CapPrm:\t0000000020000420", "CapBnd:\t0000000020000420", "NoNewPrivs:\t1", "SigBlk:\t0000000000000000"} {
				if !strings.Contains(out, want) {
					t.Errorf("%s lacks %q: %s", what, want, out)
				}
			}
		}
		b.want(0, "", "create", "-b", b.bundle, "l1")
		b.want(0, "", "start", "l1")
		check("exec", call("exec", "l1", "/bin/probe", "status"))
		b.want(0, "", "delete", "--force", "l1")
		b.config([]string{"status"}, func(s *specs.Spec) { users(s) })
		check("run", call("run", "-b", b.bundle, "l2"))
	})
}

// TestCreatedProcessCannotBeLookedInto: until its execve a container's process
// is a copy of the runtime, which nobody inside may open (CVE-2016-9962).
func TestCreatedProcessCannotBeLookedInto(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, b *bench, users func(s *specs.Spec)) {
		b.config([]string{"wait"}, func(s *specs.Spec) { users(s) })
		pidFile := filepath.Join(b.dir, "pid")
		b.want(0, "", "create", "-b", b.bundle, "--pid-file", pidFile, "d1")
		defer b.want(0, "", "delete", "--force", "d1")
		pid, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		// The files of a process that is not dumpable belong to the host's root,
		// whoever its user is.
		var st unix.Stat_t
		if err := unix.Stat("/proc/"+string(pid)+"/environ", &st); err != nil || st.Uid != 0 {
			t.Errorf("owned by %d: %v", st.Uid, err)
		}
		if l, err := os.ReadDir("/proc/" + string(pid) + "/fd"); err != nil || len(l) > 5 {
			t.Errorf("it holds %v %v", l, err)
		}
	})
}
