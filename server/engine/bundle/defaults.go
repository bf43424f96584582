package bundle

import (
	"path"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Capabilities are Docker's default ones. They count within the container's
// user namespace only.
func Capabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
}

func namespaces() []specs.LinuxNamespace {
	return []specs.LinuxNamespace{
		{Type: specs.UserNamespace},
		{Type: specs.MountNamespace},
		{Type: specs.PIDNamespace},
		{Type: specs.NetworkNamespace},
		{Type: specs.UTSNamespace},
		{Type: specs.IPCNamespace},
		{Type: specs.CgroupNamespace},
	}
}

// mounts lists what Docker mounts by default, and the three files that it
// binds over the image's.
func mounts(folder string) []specs.Mount {
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
	}
	for _, name := range BoundFiles() {
		list = append(list, specs.Mount{
			Destination: "/etc/" + name, Type: "bind", Source: path.Join(folder, name),
			Options: []string{"rbind", "rprivate"},
		})
	}
	return list
}

// BoundFiles are the files of the container's folder that are bound over those
// in /etc: they are the container's own and in no layer, as in Docker.
func BoundFiles() []string { return []string{"resolv.conf", "hostname", "hosts"} }

// FileContents returns what a new container's bound files hold. There is no
// way out of its network, so resolv.conf names no server.
func FileContents(hostname string) map[string]string {
	return map[string]string{
		"hostname":    hostname + "\n",
		"resolv.conf": "# no network but this container's own: no name server\n",
		"hosts": "127.0.0.1\tlocalhost\n" +
			"::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n" +
			"127.0.1.1\t" + hostname + "\n",
	}
}

// devices lists the devices that may be used: none but those that every
// container has. Nodes may be made, which a user namespace refuses anyway.
func devices() []specs.LinuxDeviceCgroup {
	allow := func(kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
		d := specs.LinuxDeviceCgroup{Allow: true, Type: kind, Access: access}
		if major >= 0 {
			d.Major = &major
		}
		if minor >= 0 {
			d.Minor = &minor
		}
		return d
	}
	return []specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"},
		allow("c", -1, -1, "m"),
		allow("b", -1, -1, "m"),
		allow("c", 1, 3, "rwm"),    // null
		allow("c", 1, 5, "rwm"),    // zero
		allow("c", 1, 7, "rwm"),    // full
		allow("c", 1, 8, "rwm"),    // random
		allow("c", 1, 9, "rwm"),    // urandom
		allow("c", 5, 0, "rwm"),    // tty
		allow("c", 5, 1, "rwm"),    // console
		allow("c", 5, 2, "rwm"),    // ptmx
		allow("c", 136, -1, "rwm"), // pts
	}
}

// sysctls lets ordinary users of the container ping and listen on low ports,
// as Docker does: both are safe in a network namespace of its own. The kernel
// takes a ping_group_range only within the mapped ids.
func sysctls() map[string]string {
	return map[string]string{
		"net.ipv4.ip_unprivileged_port_start": "0",
		"net.ipv4.ping_group_range":           "0 65535",
	}
}

// maskedPaths hide what tells about the host, or reaches it.
func maskedPaths() []string {
	return []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
		"/sys/firmware", "/sys/devices/virtual/powercap",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}
