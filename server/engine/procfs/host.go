//go:build linux

package procfs

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"time"
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
