//go:build linux

package confine

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// FirstFile is the descriptor of the first of Command's files in the process.
const FirstFile = 4

// executableFile is the sealed program, which runs as /proc/self/fd/3: a path
// that only this process has.
const executableFile = 3

// Command returns the command, not yet started, that runs a word of
// layerlab-runtime with descriptors FirstFile and following. It has no
// environment and a session of its own.
//
// With id maps it runs as root of a new user namespace that has them: where a
// container has the same, it may do to the container's files what the
// container's root may, and has no right over anything else of the host. That it
// is not the container's own namespace keeps the container's processes from
// tracing it (ptrace(2): they have no capability in ours).
func Command(executable *os.File, word string, uids, gids []specs.LinuxIDMapping, files ...*os.File) *exec.Cmd {
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", executableFile))
	cmd.Args = []string{"layerlab-runtime", word}
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = append([]*os.File{executable}, files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if len(uids) > 0 || len(gids) > 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = maps(uids), maps(gids)
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
		cmd.SysProcAttr.Credential = &syscall.Credential{}
	}
	return cmd
}

func maps(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(list))
	for i, m := range list {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return out
}
