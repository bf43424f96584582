package settings

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Mounts gathers what -v, --mount, --tmpfs and the Volumes of a Config ask for.
func Mounts(config *container.Config, h *container.HostConfig) ([]wire.MountSpec, error) {
	var list []wire.MountSpec
	if h != nil {
		for _, b := range h.Binds {
			m, err := parseBind(b)
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
		for _, m := range h.Mounts {
			one, err := parseMount(m)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		for target, options := range h.Tmpfs {
			m := wire.MountSpec{Type: wire.MountTmpfs, Target: target}
			if options != "" {
				m.Options = strings.Split(options, ",")
			}
			if bad := unknownTmpfs(m.Options); bad != "" {
				return nil, invalid("invalid tmpfs option %q", strings.SplitN(bad, "=", 2))
			}
			list = append(list, m)
		}
	}
	for target := range config.Volumes {
		if !path.IsAbs(target) {
			return nil, invalid("invalid mount path: '%s' mount path must be absolute", target)
		}
		there := slices.ContainsFunc(list, func(m wire.MountSpec) bool { return path.Clean(m.Target) == path.Clean(target) })
		if !there {
			list = append(list, wire.MountSpec{Type: wire.MountVolume, Target: target})
		}
	}
	slices.SortStableFunc(list, func(a, b wire.MountSpec) int { return strings.Compare(a.Target, b.Target) })
	return list, nil
}

// unknownTmpfs returns the first option that Docker does not take for a tmpfs,
// "" for none.
func unknownTmpfs(options []string) string {
	flags := []string{
		"rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync", "async", "dirsync", "mand", "nomand", "atime", "noatime",
		"diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "defaults", "bind", "rbind",
		"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable",
	}
	keys := []string{"mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"}
	for _, o := range options {
		key, _, valued := strings.Cut(o, "=")
		if !slices.Contains(flags, o) && !(valued && slices.Contains(keys, key)) {
			return o
		}
	}
	return ""
}

// parseBind reads "SOURCE:TARGET[:OPTIONS]" of -v.
func parseBind(spec string) (wire.MountSpec, error) {
	parts := strings.Split(spec, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return wire.MountSpec{}, badSpec(spec, "")
	}
	m := wire.MountSpec{Type: wire.MountVolume, Source: parts[0], Target: parts[1]}
	if path.IsAbs(parts[0]) {
		m.Type, m.Source, m.MakeSource = wire.MountBind, path.Clean(parts[0]), true
	}
	if !path.IsAbs(m.Target) {
		return m, badSpec(spec, fmt.Sprintf("invalid mount config for type %q: invalid mount path: '%s' mount path must be absolute", m.Type, m.Target))
	}
	if path.Clean(m.Target) == "/" {
		return m, badSpec(spec, fmt.Sprintf("invalid mount config for type %q: invalid specification: destination can't be '/'", m.Type))
	}
	if len(parts) < 3 {
		return m, nil
	}
	for mode := range strings.SplitSeq(parts[2], ",") {
		switch mode {
		case "rw", "z", "Z", "private", "rprivate", "cached", "delegated", "consistent", "copy":
			// Labels of SELinux are not set; the others say what happens anyway.
		case "ro":
			m.ReadOnly = true
		case "nocopy":
			if m.Type == wire.MountBind {
				return m, badSpec(spec, "invalid mode: "+parts[2])
			}
			m.NoCopy = true
		case "shared", "rshared", "slave", "rslave":
			return m, invalid("bind propagation %s is not served by layerlab: a container gets no mounts that are made later (%s)", mode, spec)
		default:
			return m, badSpec(spec, "invalid mode: "+parts[2])
		}
	}
	return m, nil
}

// parseMount reads a --mount.
func parseMount(m mount.Mount) (wire.MountSpec, error) {
	kind := string(m.Type)
	out := wire.MountSpec{Type: kind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	switch {
	case m.Target == "":
		return out, InvalidMount(kind, "field Target must not be empty")
	case !path.IsAbs(m.Target):
		return out, InvalidMount(kind, "invalid mount path: '%s' mount path must be absolute", m.Target)
	case path.Clean(m.Target) == "/":
		return out, InvalidMount(kind, "invalid specification: destination can't be '/'")
	case m.ImageOptions != nil && m.Type != mount.TypeImage, m.ClusterOptions != nil && m.Type != mount.TypeCluster:
		return out, InvalidMount(kind, "it has options of another type")
	}
	switch m.Type {
	case mount.TypeBind:
		if m.VolumeOptions != nil || m.TmpfsOptions != nil {
			return out, InvalidMount(kind, "it has options of another type")
		}
		if m.Source == "" {
			return out, InvalidMount(kind, "field Source must not be empty")
		}
		if !path.IsAbs(m.Source) {
			return out, InvalidMount(kind, "invalid mount path: '%s' mount path must be absolute", m.Source)
		}
		out.Source = path.Clean(m.Source)
		if o := m.BindOptions; o != nil {
			if o.Propagation != "" && o.Propagation != mount.PropagationPrivate && o.Propagation != mount.PropagationRPrivate {
				return out, InvalidMount(kind, "bind propagation %s is not served by layerlab: a container gets no mounts that are made later", o.Propagation)
			}
			if o.ReadOnlyNonRecursive {
				return out, InvalidMount(kind, "ReadOnlyNonRecursive is not served by layerlab")
			}
			out.Flat, out.MakeSource = o.NonRecursive, o.CreateMountpoint
		}
	case mount.TypeVolume:
		if m.BindOptions != nil || m.TmpfsOptions != nil {
			return out, InvalidMount(kind, "it has options of another type")
		}
		if o := m.VolumeOptions; o != nil {
			if o.Subpath != "" {
				return out, InvalidMount(kind, "volume-subpath is not served by layerlab")
			}
			if d := o.DriverConfig; d != nil && (d.Name != "" && d.Name != "local" || len(d.Options) > 0) {
				return out, InvalidMount(kind, "volume driver %q with options %v is not served by layerlab", d.Name, d.Options)
			}
			out.NoCopy, out.Labels = o.NoCopy, o.Labels
		}
	case mount.TypeTmpfs:
		if m.BindOptions != nil || m.VolumeOptions != nil {
			return out, InvalidMount(kind, "it has options of another type")
		}
		if m.Source != "" {
			return out, InvalidMount(kind, "field Source must not be specified")
		}
		if o := m.TmpfsOptions; o != nil {
			if o.SizeBytes > 0 {
				out.Options = append(out.Options, "size="+strconv.FormatInt(o.SizeBytes, 10))
			}
			if o.Mode != 0 {
				out.Options = append(out.Options, fmt.Sprintf("mode=%o", uint32(o.Mode)))
			}
			for _, kv := range o.Options {
				out.Options = append(out.Options, strings.Join(kv, "="))
			}
		}
	case mount.TypeImage, mount.TypeCluster, mount.TypeNamedPipe:
		return out, InvalidMount(kind, "mount type %q is not served by layerlab", kind)
	default:
		return out, InvalidMount(kind, "mount type unknown")
	}
	return out, nil
}
