//go:build linux

// Package userns makes user namespaces that no process lives in, as mounts with
// mapped ids want them.
package userns

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Open returns a new user namespace with these mappings, for mount_setattr(2):
// the mount keeps it alive, the caller closes the file.
//
// A namespace needs a process to be made. The child is stopped by ptrace at its
// execve, before any code of ours or of a container runs in it, and killed as
// soon as its namespace is open.
func Open(uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	// The tracer is a thread, not a process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{"layerlab-ids"}, &os.ProcAttr{
		Env:   []string{},
		Files: []*os.File{null, null, null},
		Sys: &syscall.SysProcAttr{
			Cloneflags:                 unix.CLONE_NEWUSER,
			UidMappings:                SysMap(uids),
			GidMappings:                SysMap(gids),
			GidMappingsEnableSetgroups: true,
			Ptrace:                     true,
			Pdeathsig:                  unix.SIGKILL,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make a user namespace: %w (see sysctl user.max_user_namespaces)", err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid))
	killErr := p.Kill()
	if killErr == nil {
		// The stop at execve may be reported first; a killed child ends anyway.
		for {
			var status unix.WaitStatus
			_, werr := unix.Wait4(p.Pid, &status, 0, nil)
			if errors.Is(werr, unix.EINTR) || (werr == nil && !status.Exited() && !status.Signaled()) {
				continue
			}
			break
		}
	}
	if err = errors.Join(err, killErr); err != nil {
		return nil, fmt.Errorf("open the new user namespace: %w", err)
	}
	return f, nil
}

// Initial says whether this process stands in the first user namespace, where
// every id is its own.
func Initial() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err != nil || strings.Join(strings.Fields(string(b)), " ") == "0 0 4294967295"
}

// SysMap returns mappings as package syscall takes them.
func SysMap(maps []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(maps))
	for i, m := range maps {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return out
}
