package plan

import (
	"strings"
)

// mountOptions are the options of one mount, sorted by the call that takes them.
type mountOptions struct {
	bind      bool
	recursive bool     // rbind
	set       []string // MOUNT_ATTR_… of the mount itself
	clear     []string
	rset      []string // the same for the whole tree (rro, rnosuid …)
	rclear    []string
	spread    string // MS_PRIVATE …, "" if the config names none
	spreadAll bool   // rprivate …
	superRO   bool   // "ro": the file system too, where it is made here
	idmap     string // "idmap" or "ridmap": ids are mapped, of the whole tree too
	copyUp    bool   // begin with what the image has at that place (tmpfs)
	data      []string
}

// attribute is what an option does to a mount.
type attribute struct {
	name  string
	clear bool
}

// attributes of mount_setattr(2) by their names in fstab(5). The r… forms are
// those of runtime-spec config.md "Linux mount options".
func attributeOf(option string) (attribute, bool) {
	switch option {
	case "ro":
		return attribute{"MOUNT_ATTR_RDONLY", false}, true
	case "rw":
		return attribute{"MOUNT_ATTR_RDONLY", true}, true
	case "nosuid":
		return attribute{"MOUNT_ATTR_NOSUID", false}, true
	case "suid":
		return attribute{"MOUNT_ATTR_NOSUID", true}, true
	case "nodev":
		return attribute{"MOUNT_ATTR_NODEV", false}, true
	case "dev":
		return attribute{"MOUNT_ATTR_NODEV", true}, true
	case "noexec":
		return attribute{"MOUNT_ATTR_NOEXEC", false}, true
	case "exec":
		return attribute{"MOUNT_ATTR_NOEXEC", true}, true
	case "nodiratime":
		return attribute{"MOUNT_ATTR_NODIRATIME", false}, true
	case "diratime":
		return attribute{"MOUNT_ATTR_NODIRATIME", true}, true
	case "nosymfollow":
		return attribute{"MOUNT_ATTR_NOSYMFOLLOW", false}, true
	case "symfollow":
		return attribute{"MOUNT_ATTR_NOSYMFOLLOW", true}, true
	case "relatime":
		return attribute{"MOUNT_ATTR_RELATIME", false}, true
	case "noatime":
		return attribute{"MOUNT_ATTR_NOATIME", false}, true
	case "strictatime":
		return attribute{"MOUNT_ATTR_STRICTATIME", false}, true
	case "norelatime", "atime", "nostrictatime":
		return attribute{"MOUNT_ATTR__ATIME", true}, true // back to the default, relatime
	}
	return attribute{}, false
}

func propagation(option string) string {
	switch option {
	case "private":
		return "MS_PRIVATE"
	case "shared":
		return "MS_SHARED"
	case "slave":
		return "MS_SLAVE"
	case "unbindable":
		return "MS_UNBINDABLE"
	}
	return ""
}

// parseMountOptions sorts the options; what no call here takes goes to the file
// system as data, which refuses what it does not know.
func parseMountOptions(dest string, options []string) (mountOptions, error) {
	var o mountOptions
	for _, s := range options {
		switch s {
		case "", "defaults", "loud", "silent":
			continue
		case "bind":
			o.bind = true
			continue
		case "rbind":
			o.bind, o.recursive = true, true
			continue
		case "remount":
			return o, unsupported("mounts[" + dest + "] option remount")
		case "tmpcopyup":
			o.copyUp = true
			continue
		case "idmap", "ridmap":
			o.idmap = s
			continue
		}
		if p := propagation(strings.TrimPrefix(s, "r")); p != "" {
			o.spread, o.spreadAll = p, strings.HasPrefix(s, "r")
			continue
		}
		if a, ok := attributeOf(s); ok {
			o.superRO = s == "ro" || o.superRO && s != "rw"
			apply(&o.set, &o.clear, a)
			continue
		}
		if a, ok := attributeOf(strings.TrimPrefix(s, "r")); ok && strings.HasPrefix(s, "r") {
			apply(&o.rset, &o.rclear, a)
			continue
		}
		o.data = append(o.data, s)
	}
	return o, nil
}

// apply notes an attribute; the last of contradicting options wins.
func apply(set, clear *[]string, a attribute) {
	drop := func(l []string) []string {
		var k []string
		for _, x := range l {
			if x != a.name && !(isAtime(x) && isAtime(a.name)) {
				k = append(k, x)
			}
		}
		return k
	}
	*set, *clear = drop(*set), drop(*clear)
	if a.clear {
		*clear = append(*clear, a.name)
		return
	}
	*set = append(*set, a.name)
	if isAtime(a.name) {
		// The access time modes are one field: it is cleared before it is set.
		*clear = append(*clear, "MOUNT_ATTR__ATIME")
	}
}

func isAtime(a string) bool {
	return a == "MOUNT_ATTR_RELATIME" || a == "MOUNT_ATTR_NOATIME" || a == "MOUNT_ATTR_STRICTATIME" || a == "MOUNT_ATTR__ATIME"
}

func join(l []string) string {
	if len(l) == 0 {
		return "0"
	}
	return strings.Join(l, "|")
}
