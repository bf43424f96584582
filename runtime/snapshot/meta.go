//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// fdMeta sets the metadata of an open file or folder. The order matters: chown
// takes away setuid bits and security.capability.
//
// What is already so is left out: hasMode says that about the mode; what this
// process makes is its own.
func (u *unpacker) fdMeta(fd int, c *Item, hasMode bool) error {
	if !u.owned(c) {
		if err := unix.Fchown(fd, int(c.UID+u.o.Shift), int(c.GID+u.o.Shift)); err != nil {
			return fmt.Errorf("owner %d:%d: %w", c.UID, c.GID, os.NewSyscallError("fchown", err))
		}
	}
	for _, x := range c.Xattrs {
		err := unix.Fsetxattr(fd, x.Key, []byte(x.Value), 0)
		if err := u.xattr(c, x.Key, err); err != nil {
			return err
		}
	}
	if !hasMode {
		if err := unix.Fchmod(fd, c.Mode&0o7777); err != nil {
			return os.NewSyscallError("fchmod", err)
		}
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(fd, "", times(c), unix.AT_EMPTY_PATH))
}

func (u *unpacker) owned(c *Item) bool {
	return c.UID+u.o.Shift == u.uid && c.GID+u.o.Shift == u.gid
}

// nodeMeta sets the metadata of what cannot be opened without following or
// waking it: symbolic links, devices, fifos.
func (u *unpacker) nodeMeta(dir int, name string, c *Item) error {
	if u.owned(c) {
		// As it was made.
	} else if err := unix.Fchownat(dir, name, int(c.UID+u.o.Shift), int(c.GID+u.o.Shift), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("owner %d:%d: %w", c.UID, c.GID, os.NewSyscallError("fchownat", err))
	}
	for _, x := range c.Xattrs {
		err := u.setxattrAt(dir, name, x)
		if err := u.xattr(c, x.Key, err); err != nil {
			return err
		}
	}
	if c.Kind != imagecore.Symlink {
		// Nobody else can have put a link here: the folder is root's own.
		if err := unix.Fchmodat(dir, name, c.Mode&0o7777, 0); err != nil {
			return os.NewSyscallError("fchmodat", err)
		}
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(dir, name, times(c), unix.AT_SYMLINK_NOFOLLOW))
}

// setxattrAt sets an attribute of a name in an open folder, not following it.
// There is no call that takes a descriptor before Linux 6.13.
func (u *unpacker) setxattrAt(dir int, name string, x imagecore.Xattr) error {
	if !u.o.Alone {
		return unix.Lsetxattr(byName(dir, name), x.Key, []byte(x.Value), 0)
	}
	// Nodes are made by one goroutine alone.
	if err := unix.Fchdir(dir); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	return unix.Lsetxattr(name, x.Key, []byte(x.Value), 0)
}

// xattr judges the error of setting an extended attribute: what this file
// system has no place for (com.apple.*), or this kind of file (xattr(7): user.*
// only on files and folders), is left out and told.
func (u *unpacker) xattr(c *Item, key string, err error) error {
	if err == nil {
		return nil
	}
	userOnNode := errors.Is(err, unix.EPERM) && strings.HasPrefix(key, "user.") && c.Kind != imagecore.File && c.Kind != imagecore.Dir
	if errors.Is(err, unix.ENOTSUP) || userOnNode {
		if u.o.Skipped != nil {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.o.Skipped(c.Path, key)
		}
		return nil
	}
	return fmt.Errorf("extended attribute %q: %w", key, os.NewSyscallError("setxattr", err))
}

func times(c *Item) []unix.Timespec {
	t := unix.Timespec{Sec: c.ModTime, Nsec: int64(c.ModNano)}
	return []unix.Timespec{t, t}
}
