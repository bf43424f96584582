//go:build linux

// Package identity tells a process from another one that has its number later:
// by the boot, and the moment of its start.
package identity

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/runtime/file"
)

// Boot names this boot of the host (proc(5), boot_id); "" where that can't be read.
func Boot() string {
	b, _ := file.Read("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// Stat reads a process's state, such as 'R' or 'Z', and when it began, in hundredths
// of a second since the boot (proc_pid_stat(5), fields 3 and 22).
func Stat(pid int) (state byte, start uint64, err error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	b, err := file.Read(path)
	if err != nil {
		return 0, 0, err
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:]) // the name may hold any character
	if len(f) < 20 {
		return 0, 0, fmt.Errorf("%s has %d fields after the name", path, len(f))
	}
	start, err = strconv.ParseUint(f[19], 10, 64)
	return f[0][0], start, err
}
