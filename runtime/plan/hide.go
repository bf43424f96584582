package plan

import (
	"path"
	"sort"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// hide plans the read-only and the masked paths. They are resolved inside the
// root by the kernel and held by descriptors from then on, so that nothing the
// image contains can bend them; and all of it happens before the container's
// first instruction.
func (b *builder) hide() {
	for _, p := range b.spec.Linux.ReadonlyPaths {
		at, m := b.name("at"), b.name("mount")
		rel := strings.TrimPrefix(path.Clean(p), "/")
		b.step(Child, "readonly-path", []string{"path", p}, 2,
			call("openat2", ref("rootfs"), str(rel), openHow("O_PATH|O_CLOEXEC", inRoot), num(24)).as(at).skip("ENOENT", 3).skip("ENOTDIR", 3),
			call("open_tree", ref(at), str(""), flags("OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH|AT_RECURSIVE")).as(m),
			call("mount_setattr", ref(m), str(""), flags("AT_EMPTY_PATH|AT_RECURSIVE"), mountAttr("MOUNT_ATTR_RDONLY", "0", "0"), num(32)),
			move(m, at))
	}
	if len(b.spec.Linux.MaskedPaths) == 0 {
		return
	}
	// The host's /dev/null, by a path of the host: the image's own might be
	// something else (CVE-2025-31133).
	b.step(Child, "open-null", nil, 0,
		call("openat", here(), str("/dev/null"), flags("O_PATH|O_NOFOLLOW|O_CLOEXEC")).as("null"))
	for _, p := range b.spec.Linux.MaskedPaths {
		at, file, fs, m, n := b.name("at"), b.name("at"), b.name("fs"), b.name("mount"), b.name("mount")
		rel := strings.TrimPrefix(path.Clean(p), "/")
		b.step(Child, "mask-path", []string{"path", p}, 6,
			// A folder: an empty read-only file system.
			call("openat2", ref("rootfs"), str(rel), openHow("O_PATH|O_DIRECTORY|O_CLOEXEC", inRoot), num(24)).as(at).skip("ENOENT", 9).skip("ENOTDIR", 6),
			call("fsopen", str("tmpfs"), flags("FSOPEN_CLOEXEC")).as(fs),
			call("fsconfig", ref(fs), flags("FSCONFIG_SET_FLAG"), str("ro"), null(), num(0)),
			call("fsconfig", ref(fs), flags("FSCONFIG_CMD_CREATE"), null(), null(), num(0)),
			call("fsmount", ref(fs), flags("FSMOUNT_CLOEXEC"), flags("MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC")).as(m),
			call("close", ref(fs)),
			move(m, at).skip("", 3),
			// Anything else: the null device.
			call("openat2", ref("rootfs"), str(rel), openHow("O_PATH|O_CLOEXEC", inRoot), num(24)).as(file).skip("ENOENT", 2).skip("ENOTDIR", 2),
			call("open_tree", ref("null"), str(""), flags("OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH")).as(n),
			move(n, file))
	}
}

// sysctls writes the kernel settings of the container's own namespaces, while
// /proc/sys can still be written.
func (b *builder) sysctls() {
	keys := make([]string, 0, len(b.spec.Linux.Sysctl))
	for k := range b.spec.Linux.Sysctl {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	if len(keys) > 0 && b.proc == "" {
		calls, out := b.filesystem("proc", "proc", mountOptions{})
		b.proc = out
		b.step(Child, "open-proc", nil, 0, calls...)
	}
	for _, k := range keys {
		v := b.spec.Linux.Sysctl[k]
		// sysctl(8): with dots as separators a slash stands for a dot in a
		// name; with slashes it is the other way round.
		name := k
		if i := strings.IndexAny(k, "./"); i >= 0 && k[i] == '.' {
			name = strings.NewReplacer(".", "/", "/", ".").Replace(k)
		}
		b.step(Child, "sysctl", []string{"name", k, "value", v}, 1, writeFile(b.proc, "sys/"+name, v)...)
	}
}

// network brings the loopback interface of a fresh network namespace up.
func (b *builder) network() {
	if !b.has(specs.NetworkNamespace) {
		return
	}
	// struct ifreq is 40 bytes: 16 of name, then the flags IFF_UP|IFF_RUNNING.
	req := record(field("ifr_name", 16, str("lo")), field("ifr_flags", 2, flags("IFF_UP|IFF_RUNNING")), field("", 22, str("")))
	b.step(Child, "loopback-up", nil, 1,
		call("socket", flags("AF_INET"), flags("SOCK_DGRAM|SOCK_CLOEXEC"), num(0)).as("socket"),
		call("ioctl", ref("socket"), flags("SIOCSIFFLAGS"), req),
		call("close", ref("socket")))
}

func (b *builder) hostname() {
	if h := b.spec.Hostname; h != "" {
		b.step(Child, "hostname", []string{"name", h}, 0, call("sethostname", str(h), num(len(h))))
	}
	if d := b.spec.Domainname; d != "" {
		b.step(Child, "domainname", []string{"name", d}, 0, call("setdomainname", str(d), num(len(d))))
	}
}
