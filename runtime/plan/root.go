package plan

import (
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// rootHost makes the root a detached mount while the launcher still walks paths
// with its own rights: a container's ids may not pass a 0700 folder above it.
func (b *builder) rootHost() {
	if b.opt.Rootfs {
		return
	}
	if b.inherits() {
		b.step(Host, "open-root", []string{"path", b.spec.Root.Path}, 0,
			call("openat", here(), str(b.spec.Root.Path), flags("O_PATH|O_DIRECTORY|O_CLOEXEC")).as("rootfs"))
		return
	}
	b.step(Host, "open-root", []string{"path", b.spec.Root.Path}, 0,
		call("open_tree", here(), str(b.spec.Root.Path), flags("OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE")).as("rootfs"),
		// A clone of a shared mount would carry the container's mounts back to
		// the host.
		call("mount_setattr", ref("rootfs"), str(""), flags("AT_EMPTY_PATH|AT_RECURSIVE"), mountAttr("0", "0", "MS_PRIVATE"), num(32)))
}

// root attaches the detached root on top of the old one, so that no folder of
// the host is needed for it; paths still begin at the old root until pivot_root.
//
// In the launcher's own mount namespace nothing is attached: the mounts of the
// config end up in the folder of the root, where everybody sees them, and
// whoever removes the container takes them away.
func (b *builder) root() {
	if b.inherits() {
		return
	}
	b.step(Child, "private-mounts", nil, 0,
		call("mount", null(), str("/"), null(), flags("MS_REC|MS_PRIVATE"), null()))
	b.step(Child, "attach-root", nil, 0,
		call("move_mount", ref("rootfs"), str(""), here(), str("/"), flags("MOVE_MOUNT_F_EMPTY_PATH")))
}

// inherits reports whether the container lives in the launcher's mount namespace.
func (b *builder) inherits() bool {
	return !b.has(specs.MountNamespace) && !b.joined(specs.MountNamespace)
}

// hooks stops for the launcher to run the hooks that come before the root is
// changed.
func (b *builder) hooks() {
	if !b.opt.HookPause {
		return
	}
	b.step(Child, "wait-for-hooks", nil, 1,
		call("write", ref("report"), str("h"), num(1)),
		call("read", ref("go"), scratch(8), num(1)).check(CheckOne))
}

// changeRoot makes the new root the root, and lets go of the old one.
func (b *builder) changeRoot() {
	if b.spec.Root.Readonly {
		b.step(Child, "readonly-root", nil, 0,
			call("mount_setattr", ref("rootfs"), str(""), flags("AT_EMPTY_PATH"), mountAttr("MOUNT_ATTR_RDONLY", "0", "0"), num(32)))
	}
	// In a mount namespace that others live in, pivot_root would take their root
	// away.
	if b.opt.NoPivot || !b.has(specs.MountNamespace) {
		b.step(Child, "chroot", nil, 1,
			call("fchdir", ref("rootfs")), call("chroot", str(".")), call("chdir", str("/")))
	} else {
		b.step(Child, "pivot-root", nil, 1,
			call("fchdir", ref("rootfs")), call("pivot_root", str("."), str(".")))
		b.step(Child, "detach-old-root", nil, 0,
			call("umount2", str("."), flags("MNT_DETACH")), call("chdir", str("/")))
	}
	switch p := b.spec.Linux.RootfsPropagation; p {
	case "", "private", "rprivate":
	case "shared", "rshared", "slave", "rslave", "unbindable", "runbindable":
		fl := propagation(strings.TrimPrefix(p, "r"))
		if strings.HasPrefix(p, "r") {
			fl = "MS_REC|" + fl
		}
		if fl == "MS_SLAVE" || fl == "MS_REC|MS_SLAVE" {
			// A private mount has no master to be a slave of: it stays private,
			// which receives and sends nothing.
			return
		}
		b.step(Child, "root-propagation", []string{"propagation", p}, 0,
			call("mount", null(), str("/"), null(), flags(fl), null()))
	default:
		b.err = invalid("linux.rootfsPropagation", "is unknown: "+p)
	}
}

// workdir makes the command's folder if the image lacks it, as runc does.
func (b *builder) workdir() {
	cwd := path.Clean(b.spec.Process.Cwd)
	if cwd == "/" {
		return
	}
	calls, _ := b.target(cwd, true, false)
	b.step(Child, "make-cwd", []string{"path", cwd}, 0, calls...)
}

const (
	inRoot     = "RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS"
	noSymlinks = "RESOLVE_NO_SYMLINKS|RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH"
)

// target returns the calls that open a path inside the root, and make it if it
// is absent; the result's name is the second value. Every step of the path is
// resolved by the kernel as if the root were one already, so that no symbolic
// link of the image leads out (openat2(2)).
//
// strict refuses symbolic links, for /proc and /sys (CVE-2023-27561).
func (b *builder) target(dest string, dir, strict bool) ([]Call, string) {
	rel := strings.TrimPrefix(path.Clean("/"+dest), "/")
	if rel == "" {
		rel = "."
	}
	resolve := inRoot
	if strict {
		resolve = noSymlinks
	}
	out := b.name("at")
	open := func(p, fl, name string) Call {
		return call("openat2", ref("rootfs"), str(p), openHow(fl, resolve), num(24)).as(name)
	}
	final := open(rel, "O_PATH|O_CLOEXEC", out)
	var make []Call
	parts := strings.Split(rel, "/")
	for i, part := range parts {
		parent := strings.Join(parts[:i], "/")
		if parent == "" {
			parent = "."
		}
		d := b.name("dir")
		make = append(make, open(parent, "O_PATH|O_DIRECTORY|O_CLOEXEC", d))
		if i == len(parts)-1 && !dir {
			make = append(make, call("mknodat", ref(d), str(part), flags("S_IFREG|0644"), num(0)).ignore("EEXIST"))
		} else {
			make = append(make, call("mkdirat", ref(d), str(part), octal(0o755)).ignore("EEXIST"))
		}
	}
	calls := []Call{final.skip("", len(make)+1).ignore("ENOENT")}
	calls = append(calls, make...)
	return append(calls, final), out
}
