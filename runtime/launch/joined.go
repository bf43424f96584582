//go:build linux

package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// joinedMappings completes the spec of a container that enters an existing user
// namespace by what is mapped there, which its terminal's owner depends on. The
// kernel tells it of processes alone, so one in that namespace is looked for.
func joinedMappings(s *specs.Spec) (*specs.Spec, error) {
	path, ok := joinedUsers(s)
	if !ok || !s.Process.Terminal {
		return s, nil
	}
	pid, err := inhabitant(path)
	if err != nil {
		return nil, err
	}
	return withMappingsOf(s, pid)
}

// joinedUsers returns the path of the user namespace that a spec enters without
// saying what is mapped there.
func joinedUsers(s *specs.Spec) (path string, ok bool) {
	if s.Linux == nil || len(s.Linux.UIDMappings)+len(s.Linux.GIDMappings) > 0 {
		return "", false
	}
	i := slices.IndexFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace && n.Path != "" })
	if i < 0 {
		return "", false
	}
	return s.Linux.Namespaces[i].Path, true
}

// inhabitant returns a process of a user namespace: the one that its path names,
// or any other.
func inhabitant(path string) (int, error) {
	if rest, ok := strings.CutPrefix(filepath.Clean(path), "/proc/"); ok {
		if n, ns, _ := strings.Cut(rest, "/"); ns == "ns/user" {
			if pid, err := strconv.Atoi(n); err == nil {
				return pid, nil
			}
		}
	}
	var want, st unix.Stat_t
	if err := unix.Stat(path, &want); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && unix.Stat("/proc/"+e.Name()+"/ns/user", &st) == nil && st.Ino == want.Ino && st.Dev == want.Dev {
			return pid, nil
		}
	}
	return 0, fault.New(fault.ErrInvalid, "invalid-config",
		"config.json: linux.uidMappings and gidMappings are missing: no process lives in the user namespace "+path+" that could tell what is mapped there",
		"setting", "linux.uidMappings and gidMappings", "what", "are missing")
}

// withMappingsOf returns a copy of the spec with the mappings of a process.
func withMappingsOf(s *specs.Spec, pid int) (*specs.Spec, error) {
	c, l := *s, *s.Linux
	for file, to := range map[string]*[]specs.LinuxIDMapping{"uid_map": &l.UIDMappings, "gid_map": &l.GIDMappings} {
		name := "/proc/" + strconv.Itoa(pid) + "/" + file
		b, err := os.ReadFile(name)
		if err == nil {
			*to, err = parseMap(string(b))
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	c.Linux = &l
	return &c, nil
}

// parseMap reads a map as /proc/PID/uid_map shows it (user_namespaces(7)).
func parseMap(text string) ([]specs.LinuxIDMapping, error) {
	var m []specs.LinuxIDMapping
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var n [3]uint32
		f := strings.Fields(line)
		if len(f) != len(n) {
			return nil, fmt.Errorf("%q has no three numbers", line)
		}
		for i := range n {
			v, err := strconv.ParseUint(f[i], 10, 32)
			if err != nil {
				return nil, errors.Unwrap(err)
			}
			n[i] = uint32(v)
		}
		m = append(m, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return m, nil
}
