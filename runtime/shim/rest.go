//go:build linux

package shim

import (
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/file"
)

// rest gives back what creating a container took; from here on little is needed.
// The pages of our program are one for all shims: they come back as they are
// run.
func rest() {
	debug.FreeOSMemory()
	b, err := file.Read("/proc/self/smaps")
	if err != nil {
		return // then it stays
	}
	for _, m := range programPages(string(b)) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.size, unix.MADV_DONTNEED)
	}
}

type pages struct{ start, size uintptr }

// programPages returns the parts of /proc/self/smaps (proc(5)) that are mapped
// from a file, cannot be written, and never were: whatever was written before
// the right to was taken away would be lost.
//
//	00400000-0059d000 r-xp 00000000 00:01 1031   /memfd:layerlab-runtime (deleted)
//	…
//	Anonymous:             0 kB
func programPages(smaps string) (l []pages) {
	var m pages
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		if len(f) >= 5 && !strings.HasSuffix(f[0], ":") {
			m = pages{}
			from, to, _ := strings.Cut(f[0], "-")
			start, err := strconv.ParseUint(from, 16, 64)
			if err != nil || len(f) < 6 || f[4] == "0" || strings.Contains(f[1], "w") || strings.Contains(f[1], "s") {
				continue
			}
			if end, err := strconv.ParseUint(to, 16, 64); err == nil {
				m = pages{uintptr(start), uintptr(end - start)}
			}
			continue
		}
		if len(f) == 3 && f[0] == "Anonymous:" && f[1] == "0" && m.size > 0 {
			l = append(l, m)
		}
	}
	return l
}
