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

// make makes the folders of a group. Where cgroup2 alone is mounted it hands all
// controllers of the parents down, so that the group can be limited and asked at
// any time. The library does the same with three times as many calls.
func (g *Group) make() error {
	if !g.alone {
		return g.makeV1()
	}
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
	if g.removeEmpty() {
		return nil
	}
	if err := g.Kill(); err != nil {
		return err
	}
	return g.Remove()
}

// removeEmpty removes a group without processes and groups below, and says
// whether nothing of it is left. Processes are in all hierarchies or in none: if
// the first folder can go the others can.
func (g *Group) removeEmpty() bool {
	base := g.base()
	if base == "" {
		return false
	}
	if err := unix.Rmdir(base); err != nil && err != unix.ENOENT {
		return false
	}
	all := true
	for _, dir := range g.dirs {
		if dir == base {
			continue
		}
		err := unix.Rmdir(dir)
		all = all && (err == nil || err == unix.ENOENT)
	}
	return all
}
