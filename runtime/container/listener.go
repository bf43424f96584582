//go:build linux

package container

import (
	"encoding/json"
	"fmt"
	"net"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Listener sends the listener of a process's seccomp filter to the agent at
// linux.seccomp.listenerPath, with the state of process and container
// (runtime-spec config-linux.md "The Container Process State").
func (c *Container) Listener(fd, pid int) error {
	st := c.OCI()
	if c.PID == 0 {
		st.Status, st.Pid = specs.StateCreating, pid
	}
	s := c.Spec.Linux.Seccomp
	message, err := json.Marshal(specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid, Metadata: s.ListenerMetadata, State: st,
	})
	if err != nil {
		return err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.ListenerPath, Net: "unix"})
	if err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: %w", err)
	}
	defer conn.Close()
	if _, _, err := conn.WriteMsgUnix(message, unix.UnixRights(fd), nil); err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: %w", err)
	}
	return nil
}
