//go:build linux && (!amd64 || race)

package launch

import "golang.org/x/sys/unix"

// The child's first instructions are written for amd64. The race detector checks
// pointers by calls into Go's runtime, which need a goroutine: a fork has a copy of
// ours, the sharing child has none.
const canShare = false

//go:nosplit
//go:norace
func spawn(*birth) uintptr { return ^uintptr(unix.ENOSYS) + 1 }
