//go:build linux

package procfs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerlab/layerlab/runtime/identity"
)

// Traffic counts what went through an interface, as the container sees it.
type Traffic struct {
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// HostCPU is the processor time that the whole host has used, idling included: it
// adds up the first line of proc_stat(5), whose unit is a hundredth of a second
// on every Linux.
func HostCPU(stat []byte) (nanoseconds uint64) {
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	for i, f := range fields {
		var n uint64
		if i == 0 || i > 8 { // guest time is in user time already
			continue
		}
		if _, err := fmt.Sscan(f, &n); err == nil {
			nanoseconds += n * uint64(10*time.Millisecond)
		}
	}
	return nanoseconds
}

// Interfaces reads proc_pid_net(5)'s dev, by interface but for lo.
func Interfaces(dev []byte) map[string]Traffic {
	list := map[string]Traffic{}
	for lines := bufio.NewScanner(bytes.NewReader(dev)); lines.Scan(); {
		name, counts, ok := strings.Cut(lines.Text(), ":")
		name = strings.TrimSpace(name)
		if !ok || name == "lo" {
			continue
		}
		var u Traffic
		var skip uint64
		n, _ := fmt.Sscan(counts, &u.RxBytes, &u.RxPackets, &u.RxErrors, &u.RxDropped, &skip, &skip, &skip, &skip,
			&u.TxBytes, &u.TxPackets, &u.TxErrors, &u.TxDropped)
		if n == 12 {
			list[name] = u
		}
	}
	return list
}

// Neighbours lists the processes of a process's pid namespace,
// what a cgroup would tell. Sorted; none where the process has ended.
func Neighbours(proc string, pid int) (list []int) {
	own, err := os.Stat(fmt.Sprintf("%s/%d/ns/pid", proc, pid))
	if err != nil {
		return nil
	}
	all, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	for _, e := range all {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if st, err := os.Stat(fmt.Sprintf("%s/%d/ns/pid", proc, n)); err == nil && os.SameFile(st, own) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// Began tells when a process was started, and whether it is the first of a pid
// namespace beneath ours; the zero time and false for one that has ended.
func Began(pid int) (at time.Time, first bool) {
	_, ticks, err := identity.Stat(pid)
	if err != nil {
		return at, false
	}
	var boot int64
	for line := range strings.Lines(string(File("/proc/stat"))) {
		if text, is := strings.CutPrefix(line, "btime "); is {
			boot, _ = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		}
	}
	for line := range strings.Lines(string(File(fmt.Sprintf("/proc/%d/status", pid)))) {
		if text, is := strings.CutPrefix(line, "NSpid:"); is {
			numbers := strings.Fields(text)
			first = len(numbers) > 1 && numbers[len(numbers)-1] == "1"
		}
	}
	return time.Unix(boot, 0).Add(time.Duration(ticks) * 10 * time.Millisecond), first
}
