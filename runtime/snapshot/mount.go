//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/userns"
)

// Layer is one unpacked layer.
type Layer struct {
	Dir string // absolute path of the folder that overlayfs takes as a lower
}

// Method is a way to put a root together. The strings are those of the
// server's GET /info.
type Method string

const (
	// LowerFDs adds each layer by the descriptor of a detached idmapped mount
	// (Linux 6.5 and newer; up to 500 layers).
	LowerFDs Method = "lowerdir+"
	// IdmappedNames names idmapped layer mounts by short names within a mount
	// namespace of one thread (Linux 5.19 and newer, file systems with idmap
	// support): options of mount(2) end at one page.
	IdmappedNames Method = "idmapped-names"
	// SharedIDs does without idmapped mounts: layers are unpacked with the ids
	// of the one range that all containers share (UnpackOptions.Shift).
	SharedIDs Method = "shared-ids"
)

// MaxLayers is how many lowers overlayfs takes (OVL_MAX_STACK).
const MaxLayers = 500

// MountOptions says what Mount puts together.
type MountOptions struct {
	Layers []Layer // base first; none is an empty root
	// Upper and Work lie on one file system, Work beside Upper and empty.
	// Absent ones are made, Upper with owner, mode, times and extended
	// attributes of the topmost layer's root, since it is the upper's root
	// that the container sees. Both empty: the root is read-only.
	Upper, Work string
	IDs         IDs
	Method      Method // "" finds out by Probe
}

// options that are stated although some are the kernel's defaults: a host may
// have changed the defaults by module parameters, and with redirect_dir or
// metacopy an upper could no longer be read without its lowers.
func overlayOptions() [][2]string {
	if strings.HasPrefix(overlayXattr(), "user.") {
		// It excludes the other two, which stay off with it.
		return [][2]string{{"userxattr", ""}, {"index", "off"}}
	}
	return [][2]string{{"metacopy", "off"}, {"redirect_dir", "off"}, {"index", "off"}}
}

// Mount puts a container's root together and returns it as a detached mount
// (open_tree(2)): nothing on the host sees it, and it lives as long as the file
// or the mount namespace that it is moved into. nodev; the caller closes it.
func Mount(o MountOptions) (*os.File, error) {
	Prepare()
	if len(o.Layers) > MaxLayers {
		return nil, fmt.Errorf("mount root: %d layers, overlayfs takes %d", len(o.Layers), MaxLayers)
	}
	if (o.Upper == "") != (o.Work == "") {
		return nil, errors.New("mount root: upper and work go together")
	}
	layers, err := openLayers(o.Layers)
	if err != nil {
		return nil, fmt.Errorf("mount root: %w", err)
	}
	empty := len(layers) == 0
	if empty { // overlayfs wants a lower
		f, err := emptyLayer(o.IDs)
		if err != nil {
			return nil, fmt.Errorf("mount root: empty layer: %w", err)
		}
		layers = append(layers, f)
	}
	defer closeAll(layers)
	method := o.Method
	if dir := o.Upper; method == "" {
		if len(o.Layers) > 0 {
			dir = o.Layers[0].Dir
		}
		if method, err = Probe(filepath.Dir(dir)); err != nil {
			return nil, fmt.Errorf("mount root: %w", err)
		}
	}
	if o.Upper != "" {
		if err := makeUpper(o.Upper, o.Work, layers[len(layers)-1], o.IDs, method == SharedIDs || empty); err != nil {
			return nil, fmt.Errorf("mount root: %w", err)
		}
	}
	if !empty {
		var ns *os.File
		if !o.IDs.identity() && method != SharedIDs {
			if ns, err = userns.Open(o.IDs.UIDs, o.IDs.GIDs); err != nil {
				return nil, fmt.Errorf("mount root: %w", err)
			}
			defer ns.Close()
		}
		if method == LowerFDs && len(layers) > 1 {
			if root, err := mountTogether(layers, ns, o); err == nil {
				return root, nil
			} // else one by one: why not is told there, or it works
		}
		for i, l := range layers {
			m, err := detach(l, ns)
			if err != nil {
				return nil, fmt.Errorf("mount root: layer %d: %w", i, err)
			}
			l.Close()
			layers[i] = m
		}
	}
	var root *os.File
	if method == LowerFDs {
		root, err = overlayByFD(layers, o.Upper, o.Work)
	} else {
		root, err = overlayByName(layers, o.Upper, o.Work)
	}
	if err != nil {
		return nil, fmt.Errorf("mount root: %w", err)
	}
	return root, nil
}

// openLayers opens the folders, base first.
func openLayers(layers []Layer) (files []*os.File, err error) {
	for i, l := range layers {
		fd, err := unix.Open(l.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("layer %d: %w", i, &os.PathError{Op: "open", Path: l.Dir, Err: err})
		}
		files = append(files, os.NewFile(uintptr(fd), l.Dir))
	}
	return files, nil
}

// emptyLayer is a detached tmpfs without anything in it, which belongs to the
// container's root. It is not idmapped: before Linux 6.3 a tmpfs cannot be.
func emptyLayer(ids IDs) (*os.File, error) {
	uid, gid, ok := ids.Host(0, 0)
	if !ok {
		return nil, errors.New("the container's ids have no root")
	}
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen tmpfs", err)
	}
	defer unix.Close(fs)
	for _, kv := range [][2]string{{"mode", "0755"}, {"uid", strconv.FormatUint(uint64(uid), 10)}, {"gid", strconv.FormatUint(uint64(gid), 10)}} {
		if err := unix.FsconfigSetString(fs, kv[0], kv[1]); err != nil {
			return nil, os.NewSyscallError("fsconfig tmpfs "+kv[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, os.NewSyscallError("fsconfig tmpfs create", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return nil, os.NewSyscallError("fsmount tmpfs", err)
	}
	return os.NewFile(uintptr(fd), "empty layer"), nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
