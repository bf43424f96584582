//go:build linux && !race

package launch

const canShare = true

// spawn starts a child that shares our memory and lives. It returns the child's
// pid, or the negated error.
//
//go:noescape
func spawn(b *birth) uintptr
