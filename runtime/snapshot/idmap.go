//go:build linux

package snapshot

import "github.com/opencontainers/runtime-spec/specs-go"

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
