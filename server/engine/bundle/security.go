package bundle

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// CapabilitiesOf returns the capabilities that a container gets: Docker's
// default ones with those added and without those dropped, or all that known
// has where it is privileged. Code: bad-capability.
func CapabilitiesOf(s wire.Security, known []string) ([]string, error) {
	add, allAdd, err := normalize("CapAdd", s.CapAdd)
	if err != nil {
		return nil, err
	}
	drop, allDrop, err := normalize("CapDrop", s.CapDrop)
	if err != nil {
		return nil, err
	}
	base := Capabilities()
	switch {
	case s.Privileged:
		return known, nil
	case allAdd:
		base = known
	case allDrop:
		base = nil
	}
	list := []string{}
	for _, c := range append(slices.Clone(base), add...) {
		dropped := slices.Contains(drop, c) || allDrop && !slices.Contains(add, c)
		if !dropped && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list, nil
}

func normalize(field string, names []string) (list []string, all bool, err error) {
	for _, n := range names {
		c := strings.ToUpper(n)
		if c == "ALL" {
			all = true
			continue
		}
		if !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		if !slices.Contains(plan.CapNames(), c) {
			return nil, false, imagecore.NewError(imagecore.ErrInvalid, "bad-capability", fmt.Sprintf("invalid %s: unknown capability: %q", field, c), "capability", n)
		}
		list = append(list, c)
	}
	return list, all, nil
}

// sets leaves inheritable and ambient empty: with inheritable ones, a file with
// inheritable bits gives them to users that have none (CVE-2022-24769). A user
// other than root has none to begin with, as after an execve.
func sets(caps []string, uid uint32) *specs.LinuxCapabilities {
	c := &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps, Inheritable: []string{}, Ambient: []string{}}
	if uid != 0 {
		c.Effective, c.Permitted = []string{}, []string{}
	}
	return c
}

// withGroups adds further groups to a user, by name or number.
func withGroups(who *specs.User, groups []string, files Files) error {
	if len(groups) == 0 {
		return nil
	}
	table, err := table(files, "/etc/group", 4)
	if err != nil {
		return err
	}
	for _, g := range groups {
		gid, err := groupID(table, g)
		if err != nil {
			return err
		}
		if !slices.Contains(who.AdditionalGids, gid) {
			who.AdditionalGids = append(who.AdditionalGids, gid)
		}
	}
	return nil
}

// sysctlsOf adds the asked sysctls to the default ones. Only those that a
// namespace of the container holds pass: others would be the host's. Code:
// bad-sysctl.
func sysctlsOf(asked map[string]string) (map[string]string, error) {
	all := sysctls()
	for key, value := range asked {
		if !namespaced(key) {
			return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-sysctl", fmt.Sprintf("sysctl %q is not in a separate kernel namespace", key), "sysctl", key)
		}
		all[key] = value
	}
	return all, nil
}

// namespaced tells the sysctls of ipc and network namespaces (ipc_namespaces(7),
// network_namespaces(7)).
func namespaced(key string) bool {
	if strings.Contains(key, "..") || strings.ContainsAny(key, "/\x00") {
		return false
	}
	switch key {
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced":
		return true
	}
	return strings.HasPrefix(key, "net.") || strings.HasPrefix(key, "fs.mqueue.")
}

// Numbers of devices are the host's to tell.
type deviceNumbers func(path string) (kind string, major, minor int64, err error)

// grantDevices adds devices of the host to a spec.
func grantDevices(s *specs.Spec, list []wire.Device, numbers deviceNumbers) error {
	for _, d := range list {
		kind, major, minor, err := numbers(d.Path)
		if err != nil {
			return err
		}
		access := d.Access
		if access == "" {
			access = "rwm"
		}
		if strings.Trim(access, "rwm") != "" {
			return imagecore.NewError(imagecore.ErrInvalid, "bad-device", fmt.Sprintf("device %s: access %q is not of r, w and m", d.Path, access), "path", d.Path)
		}
		if d.Target != "" && d.Target != d.Path {
			return imagecore.NewError(imagecore.ErrUnsupported, "bad-device", fmt.Sprintf("device %s: another name in the container (%s) is not served", d.Path, d.Target), "path", d.Path)
		}
		s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: d.Path, Type: kind, Major: major, Minor: minor})
		s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: &major, Minor: &minor, Access: access})
	}
	return nil
}
