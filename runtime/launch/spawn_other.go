//go:build linux && !amd64

package launch

import "golang.org/x/sys/unix"

const canShare = false // the child's first instructions are written for amd64

//go:nosplit
//go:norace
func spawn(*birth) uintptr { return ^uintptr(unix.ENOSYS) + 1 }
