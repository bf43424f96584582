//go:build linux

package rootless

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Gather looks at this host and the user who runs this process.
func Gather() Facts {
	f := Facts{UID: os.Getuid(), User: strconv.Itoa(os.Getuid()), Tools: map[string]string{}, Sysctls: map[string]string{}}
	names := []string{f.User}
	if u, err := user.LookupId(f.User); err == nil {
		f.User = u.Username
		names = append(names, u.Username)
	}
	for _, name := range []string{newuidmap, newgidmap, nsenter} {
		f.Tools[name] = tool(name)
	}
	f.UIDs, f.GIDs = granted("/etc/subuid", names), granted("/etc/subgid", names)
	for _, name := range []string{clone, most, apparmor} {
		if b, err := os.ReadFile("/proc/sys/" + name); err == nil {
			f.Sysctls[name] = strings.TrimSpace(string(b))
		}
	}
	return f
}

// tool says what is wrong with a program.
func tool(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return Absent
	}
	if name == nsenter {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return Absent
	}
	_, err = unix.Getxattr(path, "security.capability", nil)
	if info.Mode()&os.ModeSetuid == 0 && errors.Is(err, unix.ENODATA) {
		return Unprivileged
	}
	return ""
}

// granted is the largest range of a subuid(5) file for one of the names.
func granted(file string, names []string) (best Range) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Range{}
	}
	return largest(text, names)
}

func largest(text []byte, names []string) (best Range) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		part := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(part) != 3 {
			continue
		}
		first, err1 := strconv.ParseUint(part[1], 10, 32)
		count, err2 := strconv.ParseUint(part[2], 10, 32)
		for _, name := range names {
			if err1 == nil && err2 == nil && part[0] == name && uint32(count) > best.Count {
				best = Range{uint32(first), uint32(count)}
			}
		}
	}
	return best
}
