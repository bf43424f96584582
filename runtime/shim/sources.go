//go:build linux

package shim

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/descriptor"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// rightsAtOnce is how many descriptors go with one message; the kernel takes
// 253 (SCM_MAX_FD, unix(7)).
const rightsAtOnce = 200

// sendSources sends the descriptors of the mounts' sources after the options,
// each batch with one byte that carries it.
func sendSources(conn *net.UnixConn, mounts []Mount) error {
	for len(mounts) > 0 {
		batch := mounts[:min(len(mounts), rightsAtOnce)]
		mounts = mounts[len(batch):]
		var fds []int
		for _, m := range batch {
			fds = append(fds, int(m.Source.Fd()))
		}
		if _, _, err := conn.WriteMsgUnix([]byte{0}, unix.UnixRights(fds...), nil); err != nil {
			return fmt.Errorf("send %d mount sources: %w", len(fds), err)
		}
	}
	return nil
}

// takeSources receives them into the mounts.
func takeSources(conn *net.UnixConn, mounts []Mount) error {
	for taken := 0; taken < len(mounts); {
		var b [1]byte
		oob := make([]byte, unix.CmsgSpace(4*rightsAtOnce))
		_, n, _, _, err := conn.ReadMsgUnix(b[:], oob)
		if err != nil {
			return fmt.Errorf("receive mount sources: %w", err)
		}
		fds, err := descriptor.Received(oob[:n])
		for i, fd := range fds {
			f := os.NewFile(uintptr(fd), "mount source")
			if taken+i < len(mounts) {
				mounts[taken+i].Source = f
			} else {
				f.Close()
			}
		}
		taken += len(fds)
		switch {
		case err != nil:
			return fmt.Errorf("receive mount sources: %w", err)
		case taken > len(mounts):
			return errors.New("receive mount sources: more than there are mounts")
		case len(fds) == 0:
			return errors.New("receive mount sources: a message without descriptors")
		}
	}
	return nil
}

// bind makes the detached mounts of the sources by their index in config.json,
// and closes the sources.
func bind(o *Options, spec *specs.Spec) (made map[int]*os.File, err error) {
	if len(o.Mounts) == 0 {
		return nil, nil
	}
	made = map[int]*os.File{}
	defer func() {
		for _, m := range o.Mounts {
			m.Source.Close()
		}
		if err != nil {
			for _, f := range made {
				f.Close()
			}
		}
	}()
	ids := snapshot.IDs{UIDs: spec.Linux.UIDMappings, GIDs: spec.Linux.GIDMappings}
	mapping := snapshot.OpenMapping(ids)
	defer mapping.Close()
	for _, m := range o.Mounts {
		if m.Index < 0 || m.Index >= len(spec.Mounts) {
			return made, fmt.Errorf("mount %d: config.json has %d", m.Index, len(spec.Mounts))
		}
		f, err := mapping.Bind(m.Source, spec.Mounts[m.Index].Source, m.Recursive, m.Plain)
		if err != nil {
			return made, err
		}
		made[m.Index] = f
	}
	return made, nil
}
