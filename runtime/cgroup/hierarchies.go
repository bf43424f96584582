//go:build linux

package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/file"
)

// Hierarchies returns the host's v1 hierarchies as the kernel names them
// ("cpu,cpuacct", "name=systemd"); none on a host with cgroup2 alone.
func Hierarchies() []string {
	b, err := file.Read("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	var l []string
	for line := range strings.Lines(string(b)) { // hierarchy:controllers:path, cgroups(7)
		if f := strings.SplitN(line, ":", 3); len(f) == 3 && f[1] != "" {
			l = append(l, f[1])
		}
	}
	slices.Sort(l)
	return l
}

// folders returns the folders of a group on a host with cgroup v1, by
// controller. A hierarchy that is not mounted has none; a named one counts if
// it is systemd's, which containers join as with runc.
func folders(path string) map[string]string {
	dirs := map[string]string{}
	for _, h := range Hierarchies() {
		for controller := range strings.SplitSeq(h, ",") {
			name, named := strings.CutPrefix(controller, "name=")
			if named && name != "systemd" {
				continue
			}
			// Mounted where they always are, or somewhere else.
			dir := filepath.Join(root, name)
			if !is(dir, unix.CGROUP_SUPER_MAGIC) {
				var err error
				if dir, err = cgroups.FindCgroupMountpoint("", controller); err != nil {
					continue
				}
			}
			dirs[controller] = filepath.Join(dir, path)
		}
	}
	if dir := filepath.Join(root, "unified"); is(dir, unix.CGROUP2_SUPER_MAGIC) {
		dirs[""] = filepath.Join(dir, path)
	}
	return dirs
}

// is says that a folder belongs to a file system of that magic number. One of a
// hierarchy that is not mounted can be a plain folder.
func is(dir string, magic int64) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && int64(st.Type) == magic
}

// makeV1 makes the folders in all hierarchies.
func (g *Group) makeV1() error {
	for controller, dir := range g.dirs {
		if err := makeBelow(dir, strings.TrimSuffix(dir, g.path), controller == "cpuset"); err != nil {
			return err
		}
	}
	return nil
}

// makeBelow makes a folder and those on the way to it from the root of its
// hierarchy. A new cpuset has neither processors nor memory, and nobody may
// join it: it gets its parent's (cpuset(7)).
func makeBelow(dir, root string, cpuset bool) error {
	err := unix.Mkdir(dir, 0o755)
	if err == unix.ENOENT && len(dir) > len(root)+1 {
		if err := makeBelow(filepath.Dir(dir), root, cpuset); err != nil {
			return err
		}
		err = unix.Mkdir(dir, 0o755)
	}
	if err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	if !cpuset || dir == root {
		return nil
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		if err := inherit(dir, name); err != nil {
			return err
		}
	}
	return nil
}

// inherit copies a list of numbers from the parent if it is empty. Folders that
// somebody else made may be empty all the way up.
func inherit(dir, name string) error {
	b, err := file.Read(filepath.Join(dir, name))
	if err != nil || strings.TrimSpace(string(b)) != "" {
		return err
	}
	up := filepath.Dir(dir)
	b, err = file.Read(filepath.Join(up, name))
	if err == nil && strings.TrimSpace(string(b)) == "" {
		if err = inherit(up, name); err == nil {
			b, err = file.Read(filepath.Join(up, name))
		}
	}
	if err != nil {
		return err
	}
	return write(dir, name, strings.TrimSpace(string(b)))
}
