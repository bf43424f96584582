//go:build linux

package launch

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestJoiningAnotherContainersNamespaces makes a container that shares user,
// network and ipc namespaces with a running one, as the members of a pod do.
func TestJoiningAnotherContainersNamespaces(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	first, end := waiting(t, serverSpec(t, root))
	defer end()
	for _, shared := range [][]specs.LinuxNamespaceType{
		{specs.UserNamespace, specs.NetworkNamespace, specs.IPCNamespace},
		{specs.NetworkNamespace},
	} {
		s := serverSpec(t, root, "inside:facts", "/proc/self/uid_map")
		for i, n := range s.Linux.Namespaces {
			for _, x := range shared {
				if n.Type == x {
					file := map[specs.LinuxNamespaceType]string{specs.UserNamespace: "user", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc"}[x]
					s.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", first.Pid(), file)
				}
			}
		}
		if shared[0] == specs.UserNamespace {
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			s.Mounts[2].Options = s.Mounts[2].Options[:5] // no gid: without mappings it would be the host's
		} else {
			// A network namespace of another user namespace cannot be shown.
			s.Mounts = append(s.Mounts[:5:5], s.Mounts[6:]...)
		}
		f := factsOf(t, s)
		if f.Status["NSpid"] != "1" || f.Hostname != "probe" || !f.Loopback || f.Status["CapEff"] != "00000000a80425fb" ||
			!strings.Contains(f.Files["/proc/self/uid_map"], fmt.Sprint(base)) || f.Errors["mount"] != "EPERM" {
			t.Errorf("%v: %+v", shared, f)
		}
	}
}

// TestTerminalInAJoinedUserNamespace: its owner and group are the container's,
// not those of the host by the same numbers.
func TestTerminalInAJoinedUserNamespace(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	first, end := waiting(t, serverSpec(t, root))
	defer end()
	pinned := filepath.Join(t.TempDir(), "user")
	if err := os.WriteFile(pinned, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/ns/user", first.Pid())
	if err := unix.Mount(proc, pinned, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(pinned, unix.MNT_DETACH)
	for _, path := range []string{proc, pinned} {
		s := serverSpec(t, root, "inside:tty")
		for i, n := range s.Linux.Namespaces {
			if n.Type == specs.UserNamespace {
				s.Linux.Namespaces[i].Path = path
			}
		}
		s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		s.Process.Terminal, s.Process.User.UID = true, 33
		p, err := Create(context.Background(), Config{Spec: s, Rootfs: -1})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Error(err)
		}
		out, _ := io.ReadAll(p.Master()) // EIO when the last end inside closes
		p.Wait()
		p.Close()
		if want := "80x24 /dev/pts/0 uid 33 gid 5 foreground true console true"; !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %q, want %q", path, out, want)
		}
		// A further process, of a container whose config does not say either.
		s.Process.Terminal = false
		second, end := waiting(t, s)
		x := *s.Process
		x.Args, x.Terminal = []string{"/bin/probe", "inside:tty"}, true
		e, err := Exec(context.Background(), second, &x, ExecConfig{})
		if err != nil {
			t.Fatal(err)
		}
		out, _ = io.ReadAll(e.Master())
		e.Wait()
		e.Close()
		end()
		if want := "80x24 /dev/pts/0 uid 33 gid 5 foreground true"; !strings.HasPrefix(string(out), want) {
			t.Errorf("exec: %q, want %q", out, want)
		}
	}
}

func TestMapsAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"         0     200000      65536\n": "[{0 200000 65536}]",
		"         0          0 4294967295\n": "[{0 0 4294967295}]",
		"0 1000 1\n1 100000 65536\n":         "[{0 1000 1} {1 100000 65536}]",
		"":                                   "error",
		"0 1\n":                              "error",
		"0 -1 5\n":                           "error",
		"0 0 4294967296\n":                   "error",
	} {
		m, err := parseMap(text)
		got := fmt.Sprint(m)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
