package plan

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// mounts plans the mounts of the config, in its order.
func (b *builder) mounts() {
	for i, m := range b.spec.Mounts {
		if b.err != nil {
			return
		}
		o, err := parseMountOptions(m.Destination, m.Options)
		if err != nil {
			b.err = err
			return
		}
		binds := o.bind || m.Type == "bind"
		switch uids, _ := MapsIDs(b.spec, i); {
		case o.idmap != "" && len(uids) == 0:
			b.err = invalid("mounts["+m.Destination+"]", "has the option "+o.idmap+", but neither mappings nor a user namespace whose mappings it could have")
		case len(uids) > 0 && !binds:
			b.err = unsupported("mounts[" + m.Destination + "].uidMappings of a mount that is no bind")
		case binds:
			b.bind(i, m, o)
		case m.Type == "cgroup" && len(b.opt.Hierarchies) > 0:
			b.cgroups(m, o)
		case m.Type == "devpts":
			b.devpts(m, o)
		case o.copyUp && m.Type == "tmpfs":
			b.copied(m, o)
		default:
			b.fresh(m, o)
		}
	}
}

// bind opens the source outside, with the launcher's rights, and moves it in.
// Where the child has these rights itself it opens the source, so that the
// kernel lists the mounts in their order.
func (b *builder) bind(i int, m specs.Mount, o mountOptions) {
	out := "bind" + strconv.Itoa(i)
	tree, at := "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC", "AT_EMPTY_PATH"
	if o.recursive {
		tree += "|AT_RECURSIVE"
		at += "|AT_RECURSIVE"
	}
	var calls []Call
	if b.opt.Mounted == nil || !b.opt.Mounted(i) {
		calls = append(calls, call("open_tree", here(), str(m.Source), flags(tree)).as(out))
	}
	spread, all := o.spread, at
	if spread == "" {
		spread = "MS_PRIVATE"
	} else if !o.spreadAll {
		all = "AT_EMPTY_PATH"
	}
	calls = append(calls, call("mount_setattr", ref(out), str(""), flags(all), mountAttr("0", "0", spread), num(32)))
	if len(o.set)+len(o.clear) > 0 {
		calls = append(calls, call("mount_setattr", ref(out), str(""), flags("AT_EMPTY_PATH"), mountAttr(join(o.set), join(o.clear), "0"), num(32)))
	}
	if len(o.rset)+len(o.rclear) > 0 {
		calls = append(calls, call("mount_setattr", ref(out), str(""), flags("AT_EMPTY_PATH|AT_RECURSIVE"), mountAttr(join(o.rset), join(o.rclear), "0"), num(32)))
	}
	args := []string{"source", m.Source, "path", m.Destination}
	where := Host
	if b.has(specs.MountNamespace) && !b.has(specs.UserNamespace) && !b.joined(specs.UserNamespace) {
		where = Child
	}
	b.step(where, "open-bind", args, 0, calls...)
	b.idmap(where, i, m, o)

	dir := b.opt.IsFile == nil || !b.opt.IsFile(m.Source)
	at2, t := b.target(m.Destination, dir, false)
	if !allowedOverProc(m.Destination) {
		at2 = append(at2, call("fstatfs", ref(t), scratch(120)).check(CheckNotProc))
	}
	b.step(Child, "mount-bind", args, -1, append(at2, move(out, t))...)
}

// MapsIDs returns the mappings of the config's mount i, none if it has none
// (runtime-spec config.md "Linux mount options": idmap). The launcher provides a
// user namespace that has them as the result "idmapN".
func MapsIDs(s *specs.Spec, i int) (uids, gids []specs.LinuxIDMapping) {
	m := s.Mounts[i]
	if len(m.UIDMappings) == 0 && (slices.Contains(m.Options, "idmap") || slices.Contains(m.Options, "ridmap")) {
		return s.Linux.UIDMappings, s.Linux.GIDMappings
	}
	return m.UIDMappings, m.GIDMappings
}

// idmap plans that a bind mount shows other ids than its files have.
func (b *builder) idmap(where Where, i int, m specs.Mount, o mountOptions) {
	uids, _ := MapsIDs(b.spec, i)
	if len(uids) == 0 {
		return
	}
	at := "AT_EMPTY_PATH"
	if o.idmap == "ridmap" {
		at += "|AT_RECURSIVE"
	}
	n := strconv.Itoa(i)
	b.step(where, "map-bind", []string{"path", m.Destination, "map", strings.TrimSpace(mapText(uids))}, 0,
		call("mount_setattr", ref("bind"+n), str(""), flags(at), idmapAttr("idmap"+n), num(32)))
}

// allowedOverProc names the files of /proc that programs such as lxcfs replace
// by a view of the container's own limits. Any other mount there could hide
// from the kernel's security modules what the container does (CVE-2019-16884).
func allowedOverProc(dest string) bool {
	d := path.Clean(dest)
	return slices.Contains([]string{
		"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
		"/proc/loadavg", "/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/net/dev",
	}, d)
}

// fresh makes a new file system and moves it in.
func (b *builder) fresh(m specs.Mount, o mountOptions) {
	proc, sys := m.Type == "proc", m.Type == "sysfs"
	at, t := b.target(m.Destination, true, proc || sys)
	if !proc {
		at = append(at, call("fstatfs", ref(t), scratch(120)).check(CheckNotProc))
	}
	calls, out := b.filesystem(m.Type, m.Source, o)
	calls = append(append(at, calls...), move(out, t))
	code := "mount-filesystem"
	switch m.Type {
	case "proc":
		code, b.proc = "mount-proc", out
	case "sysfs":
		code = "mount-sysfs"
	case "tmpfs":
		code = "mount-tmpfs"
	case "mqueue":
		code = "mount-mqueue"
	case "cgroup", "cgroup2":
		code = "mount-cgroup"
	}
	b.step(Child, code, []string{"type", m.Type, "path", m.Destination}, -1, calls...)
}

// copied makes a tmpfs outside, where the launcher can copy into it what the
// root holds at its place, and moves it in.
func (b *builder) copied(m specs.Mount, o mountOptions) {
	ro := o.superRO
	o.superRO = false
	o.set = slices.DeleteFunc(slices.Clone(o.set), func(s string) bool { return s == "MOUNT_ATTR_RDONLY" })
	args := []string{"type", m.Type, "path", m.Destination}
	calls, out := b.filesystem(m.Type, m.Source, o)
	b.step(Host, "mount-tmpfs", args, 0, calls...)
	b.plan.Copies = append(b.plan.Copies, Copy{From: m.Destination, To: out})
	at, t := b.target(m.Destination, true, false)
	at = append(at, call("fstatfs", ref(t), scratch(120)).check(CheckNotProc))
	if ro {
		at = append(at, call("mount_setattr", ref(out), str(""), flags("AT_EMPTY_PATH"), mountAttr("MOUNT_ATTR_RDONLY", "0", "0"), num(32)))
	}
	b.step(Child, "mount-tmpfs", args, -1, append(at, move(out, t))...)
}

// filesystem returns the calls that make a detached mount of a new file system,
// and the name of its descriptor.
func (b *builder) filesystem(fstype, source string, o mountOptions) ([]Call, string) {
	fs, out := b.name("fs"), b.name("mount")
	if fstype == "cgroup" {
		fstype = "cgroup2" // the only kind on a host without v1 hierarchies
	}
	calls := []Call{call("fsopen", str(fstype), flags("FSOPEN_CLOEXEC")).as(fs)}
	config := func(cmd string, args ...Arg) {
		calls = append(calls, call("fsconfig", append([]Arg{ref(fs), flags(cmd)}, args...)...))
	}
	if source != "" && source != "none" {
		config("FSCONFIG_SET_STRING", str("source"), str(source), num(0))
	}
	if o.superRO && fstype != "proc" && fstype != "sysfs" && fstype != "cgroup2" {
		// Not for those that the host shares: their superblock is one.
		config("FSCONFIG_SET_FLAG", str("ro"), null(), num(0))
	}
	for _, d := range o.data {
		k, v, ok := strings.Cut(d, "=")
		if ok {
			config("FSCONFIG_SET_STRING", str(k), str(v), num(0))
		} else {
			config("FSCONFIG_SET_FLAG", str(k), null(), num(0))
		}
	}
	config("FSCONFIG_CMD_CREATE", null(), null(), num(0))
	set := append(slices.Clone(o.set), o.rset...)
	calls = append(calls, call("fsmount", ref(fs), flags("FSMOUNT_CLOEXEC"), flags(join(set))).as(out), call("close", ref(fs)))
	if o.spread != "" && o.spread != "MS_PRIVATE" && o.spread != "MS_SLAVE" {
		calls = append(calls, call("mount_setattr", ref(out), str(""), flags("AT_EMPTY_PATH"), mountAttr("0", "0", o.spread), num(32)))
	}
	return calls, out
}

func move(mount, target string) Call {
	return call("move_mount", ref(mount), str(""), ref(target), str(""), flags("MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH"))
}

// devpts is made by the launcher where the command has a terminal: it opens that
// in it without ever taking a descriptor from inside the container.
func (b *builder) devpts(m specs.Mount, o mountOptions) {
	at, t := b.target(m.Destination, true, false)
	at = append(at, call("fstatfs", ref(t), scratch(120)).check(CheckNotProc))
	own := path.Clean(m.Destination) == "/dev/pts"
	if own && b.spec.Process.Terminal {
		b.step(Child, "mount-devpts", []string{"path", m.Destination}, -1, append(at, move("devpts", t))...)
		return
	}
	code := "mount-filesystem"
	if own {
		code = "mount-devpts"
		o.data = limitTerminals(o.data)
	}
	calls, out := b.filesystem("devpts", m.Source, o)
	b.step(Child, code, []string{"type", "devpts", "path", m.Destination}, -1, append(append(at, calls...), move(out, t))...)
}

// cgroups mounts each v1 hierarchy in a folder of a small tmpfs; inside a
// cgroup namespace their roots are the container's own cgroups.
func (b *builder) cgroups(m specs.Mount, o mountOptions) {
	at, t := b.target(m.Destination, true, false)
	top := mountOptions{data: []string{"mode=755", "size=64k"}, set: []string{"MOUNT_ATTR_NOSUID", "MOUNT_ATTR_NODEV", "MOUNT_ATTR_NOEXEC"}}
	calls, out := b.filesystem("tmpfs", "tmpfs", top)
	calls = append(append(at, calls...), move(out, t))
	set := slices.Clone(o.set)
	for _, h := range b.opt.Hierarchies {
		name := strings.TrimPrefix(h, "name=")
		fs, mnt := b.name("fs"), b.name("mount")
		calls = append(calls, call("mkdirat", ref(out), str(name), octal(0o755)), call("fsopen", str("cgroup"), flags("FSOPEN_CLOEXEC")).as(fs))
		calls = append(calls, call("fsconfig", ref(fs), flags("FSCONFIG_SET_STRING"), str("source"), str("cgroup"), num(0)))
		if name != h {
			calls = append(calls,
				call("fsconfig", ref(fs), flags("FSCONFIG_SET_FLAG"), str("none"), null(), num(0)),
				call("fsconfig", ref(fs), flags("FSCONFIG_SET_STRING"), str("name"), str(name), num(0)))
		} else {
			for _, c := range strings.Split(h, ",") {
				calls = append(calls, call("fsconfig", ref(fs), flags("FSCONFIG_SET_FLAG"), str(c), null(), num(0)))
			}
		}
		calls = append(calls,
			call("fsconfig", ref(fs), flags("FSCONFIG_CMD_CREATE"), null(), null(), num(0)),
			call("fsmount", ref(fs), flags("FSMOUNT_CLOEXEC"), flags(join(set))).as(mnt),
			call("move_mount", ref(mnt), str(""), ref(out), str(name), flags("MOVE_MOUNT_F_EMPTY_PATH")),
			call("close", ref(fs)), call("close", ref(mnt)))
		for _, c := range strings.Split(name, ",") {
			if c != name {
				calls = append(calls, call("symlinkat", str(name), ref(out), str(c)))
			}
		}
	}
	if o.superRO {
		calls = append(calls, call("mount_setattr", ref(out), str(""), flags("AT_EMPTY_PATH"), mountAttr("MOUNT_ATTR_RDONLY", "0", "0"), num(32)))
	}
	b.step(Child, "mount-cgroup", []string{"type", "cgroup", "path", m.Destination}, len(at), calls...)
}

// Mountpoint is a path that the root must have for a container of the spec.
type Mountpoint struct {
	Path string // absolute, inside the root
	Dir  bool   // else a file
}

// Mountpoints returns what the root must have before anything is mounted in it.
// What is absent is made at launch, in the container's own layer; whoever wants
// that layer to hold nothing but the container's writes makes them in a layer
// below.
func Mountpoints(s *specs.Spec, isFile func(path string) bool) []Mountpoint {
	var l []Mountpoint
	covered := func(p string) bool {
		return slices.ContainsFunc(l, func(m Mountpoint) bool { return p == m.Path || strings.HasPrefix(p, m.Path+"/") })
	}
	for _, m := range s.Mounts {
		d := path.Clean(m.Destination)
		if d == "/" || covered(d) {
			continue
		}
		bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		l = append(l, Mountpoint{Path: d, Dir: !bind || isFile == nil || !isFile(m.Source)})
	}
	if s.Process != nil {
		if d := path.Clean(s.Process.Cwd); path.IsAbs(d) && d != "/" && !covered(d) {
			l = append(l, Mountpoint{Path: d, Dir: true})
		}
	}
	return l
}
