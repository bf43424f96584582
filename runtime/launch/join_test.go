//go:build linux

package launch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
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
