//go:build linux

package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/file"
)

// make makes the folder of a group where cgroup2 alone is mounted, and hands all
// controllers of its parents down to it, so that it can be limited and asked at
// any time. The library does the same with three times as many calls.
func (g *Group) make() error {
	dir := root
	for _, name := range strings.Split(strings.TrimPrefix(g.path, "/"), "/") {
		delegate(dir)
		dir = filepath.Join(dir, name)
		if err := unix.Mkdir(dir, 0o755); err != nil && err != unix.EEXIST {
			return &os.PathError{Op: "mkdir", Path: dir, Err: err}
		}
	}
	return nil
}

// delegate lets the children of a group have its controllers. One that cannot be
// handed down (a group with processes, a threaded one) is missed by whoever sets
// a limit of it, and the error is had there.
func delegate(dir string) {
	has, err := file.Read(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return
	}
	control := filepath.Join(dir, "cgroup.subtree_control")
	given, err := file.Read(control)
	if err != nil {
		return
	}
	old := strings.Fields(string(given))
	var more []string
	for _, c := range strings.Fields(string(has)) {
		if !slices.Contains(old, c) {
			more = append(more, "+"+c)
		}
	}
	if len(more) == 0 || file.Set(control, strings.Join(more, " ")) == nil {
		return
	}
	for _, c := range more { // one that is refused must not keep the others back
		_ = file.Set(control, c)
	}
}

// unlimited says that there is nothing to set.
func unlimited(r *specs.LinuxResources) bool {
	return r == nil || r.Memory == nil && r.CPU == nil && r.Pids == nil && r.BlockIO == nil && r.Network == nil &&
		len(r.HugepageLimits)+len(r.Rdma)+len(r.Unified)+len(r.Devices) == 0
}

// Clear ends all processes of the group and removes it.
func (g *Group) Clear() error {
	// Mostly nobody is in it any more, and it can go at once.
	if g.unified != "" && unified() {
		if err := unix.Rmdir(g.unified); err == nil || err == unix.ENOENT {
			return nil
		}
	}
	if err := g.Kill(); err != nil {
		return err
	}
	return g.Remove()
}
