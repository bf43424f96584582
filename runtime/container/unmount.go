//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// unmount takes away what a container without a mount namespace of its own left
// mounted below its root: nobody else does. Any other container's mounts went
// with its namespace.
func (c *Container) unmount() error {
	if c.Spec == nil || c.Spec.Linux == nil || c.Spec.Root == nil || slices.ContainsFunc(c.Spec.Linux.Namespaces,
		func(n specs.LinuxNamespace) bool { return n.Type == specs.MountNamespace }) {
		return nil
	}
	root := c.Spec.Root.Path
	if !filepath.IsAbs(root) {
		root = filepath.Join(c.Bundle, root)
	}
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil // it went, and what was mounted in it too
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	l := mountsBelow(string(b), root)
	var errs []error
	for _, p := range l {
		if err := unix.Unmount(p, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL && err != unix.ENOENT {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

// mountsBelow returns the mount points strictly below a folder, the deepest of
// each branch first.
func mountsBelow(mountinfo, root string) []string {
	var l []string
	for _, line := range strings.Split(mountinfo, "\n") {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if p := unescape.Replace(f[4]); strings.HasPrefix(p, strings.TrimSuffix(root, "/")+"/") {
			l = append(l, p)
		}
	}
	slices.SortStableFunc(l, func(a, b string) int { return len(b) - len(a) })
	return l
}

// unescape undoes what the kernel does to names in mountinfo (proc(5)).
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
