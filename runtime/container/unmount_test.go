//go:build linux

package container

import (
	"slices"
	"testing"
)

func TestMountsBelowAreTheDeepestFirst(t *testing.T) {
	const info = `22 1 0:20 / / rw - ext4 /dev/a rw
30 22 0:21 / /b/root/proc rw - proc proc rw
31 22 0:22 / /b/root/dev rw - tmpfs tmpfs rw
32 31 0:23 / /b/root/dev/a\040b rw - tmpfs tmpfs rw
33 22 0:24 / /b/rootless rw - tmpfs tmpfs rw
34 22 0:25 / /b/root rw - tmpfs tmpfs rw
`
	want := []string{"/b/root/dev/a b", "/b/root/proc", "/b/root/dev"}
	if got := mountsBelow(info, "/b/root"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
