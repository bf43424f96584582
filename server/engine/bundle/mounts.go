package bundle

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// InitPath is where the small first process of --init stands in a container,
// as in Docker.
const InitPath = "/sbin/docker-init"

// CheckMounts refuses mounts that contradict one another or the container.
// Codes: bad-mount (args path), duplicate-mount.
func CheckMounts(list []wire.MountSpec) error {
	var seen []string
	for _, m := range list {
		at := path.Clean(m.Target)
		switch {
		case !path.IsAbs(m.Target) || strings.ContainsRune(m.Target, 0):
			return badMount(m.Target, "invalid mount path: '"+m.Target+"' mount path must be absolute")
		case at == "/":
			return badMount(m.Target, "invalid specification: destination can't be '/'")
		case slices.Contains(seen, at):
			return imagecore.NewError(imagecore.ErrInvalid, "duplicate-mount", "Duplicate mount point: "+at, "path", at)
		case m.Type != wire.MountBind && m.Type != wire.MountVolume && m.Type != wire.MountTmpfs:
			return badMount(m.Target, fmt.Sprintf("mount type %q unknown", m.Type))
		}
		seen = append(seen, at)
	}
	return nil
}

func badMount(target, what string) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-mount", what, "path", target)
}

// allMounts are the default mounts with the asked ones in their places: one at
// the same place goes instead of a default one, and whatever lies above comes
// before what lies beneath it.
func allMounts(req Request, host Host) ([]specs.Mount, error) {
	if err := CheckMounts(req.Mounts); err != nil {
		return nil, err
	}
	var asked []specs.Mount
	for _, m := range req.Mounts {
		asked = append(asked, mountOf(m))
	}
	if req.Init {
		asked = append(asked, specs.Mount{
			Destination: InitPath, Type: "bind", Source: host.Init, Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev"},
		})
	}
	taken := func(at string) bool {
		return slices.ContainsFunc(asked, func(m specs.Mount) bool { return m.Destination == path.Clean(at) })
	}
	var fixed, files []specs.Mount
	for _, m := range mounts(host.Folder) {
		switch {
		case taken(m.Destination):
		case m.Type == "bind":
			files = append(files, m)
		default:
			if m.Destination == "/dev/shm" && req.Limits.Shm > 0 {
				m.Options = append(slices.Clone(m.Options[:len(m.Options)-1]), "size="+strconv.FormatInt(req.Limits.Shm, 10))
			}
			if m.Destination == "/sys" && req.Security.Privileged || m.Destination == "/sys/fs/cgroup" && req.Security.Privileged {
				m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool { return o == "ro" })
			}
			fixed = append(fixed, m)
		}
	}
	rest := append(files, asked...)
	slices.SortStableFunc(rest, func(a, b specs.Mount) int {
		return strings.Count(a.Destination, "/") - strings.Count(b.Destination, "/")
	})
	return append(fixed, rest...), nil
}

func mountOf(m wire.MountSpec) specs.Mount {
	at := path.Clean(m.Target)
	if m.Type == wire.MountTmpfs {
		// Docker's defaults, over which the asked ones go.
		options := append([]string{"noexec", "nosuid", "nodev"}, m.Options...)
		if m.ReadOnly {
			options = append(options, "ro")
		}
		return specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: options}
	}
	kind := "rbind"
	if m.Flat || m.Type == wire.MountVolume {
		kind = "bind"
	}
	options := []string{kind, "rprivate", "nodev"}
	if m.ReadOnly {
		options = append(options, "ro")
		if kind == "rbind" {
			options = append(options, "rro") // what is mounted beneath, too
		}
	}
	return specs.Mount{Destination: at, Type: "bind", Source: m.Source, Options: options}
}
