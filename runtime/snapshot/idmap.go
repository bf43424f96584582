//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// IDs is how ids of the container lie on the host: config.json's
// linux.uidMappings and linux.gidMappings. Empty means that both are equal.
type IDs struct {
	UIDs, GIDs []specs.LinuxIDMapping
}

// identity says that no id is mapped.
func (m IDs) identity() bool { return len(m.UIDs) == 0 && len(m.GIDs) == 0 }

// Host returns the host's ids for those of the container.
func (m IDs) Host(uid, gid uint32) (hostUID, hostGID uint32, ok bool) {
	if m.identity() {
		return uid, gid, true
	}
	hostUID, okUID := toHost(m.UIDs, uid)
	hostGID, okGID := toHost(m.GIDs, gid)
	return hostUID, hostGID, okUID && okGID
}

func toHost(maps []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	for _, m := range maps {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID), true
		}
	}
	return 0, false
}

// toContainer is the inverse of toHost.
func toContainer(maps []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	for _, m := range maps {
		if id >= m.HostID && id-m.HostID < m.Size {
			return m.ContainerID + (id - m.HostID), true
		}
	}
	return 0, false
}

// userNamespace returns a user namespace with these mappings, for
// mount_setattr(2): the mount keeps it alive, the caller closes the file.
//
// A namespace needs a process to be made. The child is stopped by ptrace at its
// execve, before any code of ours or of a container runs in it, and killed as
// soon as its namespace is open.
func (m IDs) userNamespace() (*os.File, error) {
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
			UidMappings:                sysMap(m.UIDs),
			GidMappings:                sysMap(m.GIDs),
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

func sysMap(maps []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(maps))
	for i, m := range maps {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return out
}
