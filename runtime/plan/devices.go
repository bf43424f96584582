package plan

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// defaultDevices are those that every container has (runtime-spec
// config-linux.md "Default Devices").
func defaultDevices() []specs.LinuxDevice {
	mode := func(p string, minor int64, major int64) specs.LinuxDevice {
		return specs.LinuxDevice{Path: p, Type: "c", Major: major, Minor: minor}
	}
	return []specs.LinuxDevice{
		mode("/dev/null", 3, 1), mode("/dev/zero", 5, 1), mode("/dev/full", 7, 1),
		mode("/dev/random", 8, 1), mode("/dev/urandom", 9, 1), mode("/dev/tty", 0, 5),
	}
}

// devMount returns the mount that covers /dev, and whether /dev is the host's
// own, in which nothing is made.
func (b *builder) devMount() (found, bound bool) {
	for _, m := range b.spec.Mounts {
		if path.Clean(m.Destination) == "/dev" {
			found = true
			bound = m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		}
	}
	return found, bound
}

// devices plans the nodes and links of /dev.
//
// In a user namespace mknod is refused (user_namespaces(7)), so the host's node
// is bound onto an empty file; without one a node is made.
func (b *builder) devices() {
	if _, bound := b.devMount(); bound {
		return
	}
	userns := b.has(specs.UserNamespace) || b.joined(specs.UserNamespace)
	list := defaultDevices()
	for _, d := range b.spec.Linux.Devices {
		list = slices.DeleteFunc(list, func(x specs.LinuxDevice) bool { return x.Path == d.Path })
		list = append(list, d)
	}
	var dev string
	if calls, out := b.target("/dev", true, false); true {
		dev = out
		b.step(Child, "open-dev", nil, -1, calls...)
	}
	for _, d := range list {
		b.device(d, dev, userns)
	}
	links := [][2]string{{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}}
	if b.hasDevpts() {
		links = append(links, [2]string{"pts/ptmx", "ptmx"})
	}
	var calls []Call
	for _, l := range links {
		c := call("symlinkat", str(l[0]), ref(dev), str(l[1])).ignore("EEXIST")
		calls = append(calls, c)
	}
	b.step(Child, "dev-links", nil, 0, calls...)
}

func (b *builder) hasDevpts() bool {
	return slices.ContainsFunc(b.spec.Mounts, func(m specs.Mount) bool {
		return m.Type == "devpts" && path.Clean(m.Destination) == "/dev/pts"
	})
}

func (b *builder) device(d specs.LinuxDevice, dev string, userns bool) {
	kind := map[string]string{"c": "S_IFCHR", "u": "S_IFCHR", "b": "S_IFBLK", "p": "S_IFIFO"}[d.Type]
	if kind == "" {
		b.err = invalid("linux.devices", d.Path+" has the unknown type "+strconv.Quote(d.Type))
		return
	}
	name, ok := strings.CutPrefix(path.Clean(d.Path), "/dev/")
	dir := dev
	var pre []Call
	if !ok || strings.Contains(name, "/") {
		pre, dir = b.target(path.Dir(path.Clean(d.Path)), true, false)
		name = path.Base(path.Clean(d.Path))
	}
	args := []string{"path", d.Path, "device", d.Type + " " + strconv.FormatInt(d.Major, 10) + ":" + strconv.FormatInt(d.Minor, 10)}
	if userns && kind != "S_IFIFO" {
		if kind == "S_IFBLK" {
			b.err = unsupported("linux.devices: block device " + d.Path + " in a user namespace")
			return
		}
		out := "dev-" + path.Base(d.Path)
		at := b.name("at")
		calls := append(pre,
			call("open_tree", here(), str(d.Path), flags("OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC")).as(out),
			call("mknodat", ref(dir), str(name), flags("S_IFREG|0666"), num(0)).ignore("EEXIST"),
			call("openat", ref(dir), str(name), flags("O_PATH|O_NOFOLLOW|O_CLOEXEC")).as(at),
			move(out, at))
		b.step(Child, "bind-device", args, -1, calls...)
		return
	}
	mode := uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(d.FileMode.Perm())
	}
	number := uint64(d.Major&0xfff)<<8 | uint64(d.Major&^0xfff)<<32 | uint64(d.Minor&0xff) | uint64(d.Minor&^0xff)<<12
	calls := append(pre, call("mknodat", ref(dir), str(name), flags(kind+"|0"+strconv.FormatUint(uint64(mode), 8)), unsigned(number)).ignore("EEXIST"))
	if d.UID != nil && d.GID != nil && (*d.UID != 0 || *d.GID != 0) {
		calls = append(calls, call("fchownat", ref(dir), str(name), unsigned(uint64(*d.UID)), unsigned(uint64(*d.GID)), flags("AT_SYMLINK_NOFOLLOW")))
	}
	b.step(Child, "make-device", args, len(pre), calls...)
}

// terminalHost makes the container's devpts, and in it the terminal.
func (b *builder) terminalHost() {
	l, p := b.spec.Linux, b.spec.Process
	m := specs.Mount{Options: []string{"ptmxmode=0666", "mode=0620"}}
	for _, x := range b.spec.Mounts {
		if x.Type == "devpts" && path.Clean(x.Destination) == "/dev/pts" {
			m = x
		}
	}
	// Without a terminal the child makes it, in the order of the mounts.
	if p.Terminal && !b.opt.OwnDevpts {
		o, err := parseMountOptions("/dev/pts", m.Options)
		if err != nil {
			b.err = err
			return
		}
		for i, d := range o.data {
			k, v, _ := strings.Cut(d, "=")
			// Made outside the user namespace, the file system takes the
			// host's ids.
			if k == "gid" || k == "uid" {
				n, err := strconv.ParseUint(v, 10, 32)
				ids := l.GIDMappings
				if k == "uid" {
					ids = l.UIDMappings
				}
				host, ok := hostID(ids, uint32(n))
				if err != nil || !ok {
					b.err = invalid("mounts[/dev/pts]", "names the "+k+" "+v+", which the container has not")
					return
				}
				o.data[i] = k + "=" + strconv.FormatUint(uint64(host), 10)
			}
		}
		o.data = limitTerminals(o.data)
		calls, out := b.filesystem("devpts", "devpts", o)
		calls[len(calls)-2].Out = "devpts"
		_ = out
		b.step(Host, "make-devpts", nil, 0, calls...)
	}
	if !p.Terminal {
		return
	}
	uid, _ := hostID(l.UIDMappings, p.User.UID)
	gid, ok := hostID(l.GIDMappings, 5)
	if !ok {
		gid, _ = hostID(l.GIDMappings, p.User.GID)
	}
	cols, rows := uint64(b.opt.Cols), uint64(b.opt.Rows)
	if cols == 0 && p.ConsoleSize != nil {
		cols, rows = uint64(p.ConsoleSize.Width), uint64(p.ConsoleSize.Height)
	}
	if cols == 0 || rows == 0 || cols > 0xffff || rows > 0xffff {
		cols, rows = 80, 24
	}
	size := record(field("ws_row", 2, unsigned(rows)), field("ws_col", 2, unsigned(cols)), field("", 4, num(0)))
	b.step(Host, "open-terminal", []string{"columns", strconv.FormatUint(cols, 10), "rows", strconv.FormatUint(rows, 10)}, 0,
		call("openat", ref("devpts"), str("ptmx"), flags("O_RDWR|O_NOCTTY|O_CLOEXEC")).as("master"),
		call("ioctl", ref("master"), flags("TIOCSPTLCK"), record(field("lock", 4, num(0)))),
		call("ioctl", ref("master"), flags("TIOCGPTPEER"), flags("O_RDWR|O_NOCTTY|O_CLOEXEC")).as("slave"),
		call("ioctl", ref("master"), flags("TIOCSWINSZ"), size),
		call("fchown", ref("slave"), unsigned(uint64(uid)), unsigned(uint64(gid))))
}

// limitTerminals bounds the number of terminals: all containers share the host's
// (kernel.pty.max).
func limitTerminals(data []string) []string {
	if slices.ContainsFunc(data, func(s string) bool { return strings.HasPrefix(s, "max=") }) {
		return data
	}
	return append(data, "max=64")
}

// console binds the terminal onto /dev/console. It is the first of a fresh
// devpts, so its name is known.
func (b *builder) console() {
	if !b.spec.Process.Terminal || !b.hasDevpts() {
		return
	}
	if _, bound := b.devMount(); bound {
		return
	}
	calls, t := b.target("/dev/console", false, false)
	calls = append(calls,
		// An image's link could lead the terminal over the kernel's settings
		// (CVE-2025-52565).
		call("fstatfs", ref(t), scratch(120)).check(CheckNotProc),
		call("open_tree", ref("devpts"), str("0"), flags("OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC")).as("console"), move("console", t))
	b.step(Child, "bind-console", nil, -1, calls...)
}
