//go:build linux

// Package quota keeps a container's layer within a size: upper and work lie in
// a file system of their own, an ext4 in a file.
//
//	Make → rw.img (sparse) ─ Mount (loop device) → a folder for upper and work
//
// Quotas of the host's file system would be cheaper, but need it mounted with
// them, and not every kernel has them. Full is full at the byte: a container
// gets ENOSPC, and the host's disk and its neighbours nothing of it.
//
// Sources: loop(4), mount(2), mke2fs(8).
package quota

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Least is the smallest size that holds a file system worth the name, in bytes.
const Least = 8 << 20

// Can says why sizes cannot be kept on this host, nil where they can.
func Can() error {
	if _, err := mkfs(); err != nil {
		return err
	}
	f, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		e := fault.New(fault.ErrHost, "no-loop-devices", "a size of a container's layer needs loop devices: this host has none (modprobe loop)")
		e.Err = err
		return e
	}
	return f.Close()
}

func mkfs() (string, error) {
	path, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		for _, p := range []string{"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"} { // not in an ordinary user's PATH
			if _, err := os.Stat(p); err == nil {
				return p, nil
			}
		}
		e := fault.New(fault.ErrHost, "no-mkfs", "a size of a container's layer needs mkfs.ext4: install e2fsprogs")
		e.Err = err
		return "", e
	}
	return path, nil
}

// Make makes the file of so many bytes with an empty file system in it. It takes
// what is written into it, and 128 KB, of the disk.
func Make(path string, size int64) (err error) {
	program, err := mkfs()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return err
	}
	// No journal: what a crash spoils is one container's layer, and it doubles
	// the writes. No space for root, no lazy work that would touch the file.
	cmd := exec.Command(program, "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1", path)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4 %s: %w: %s", path, err, bytes.TrimSpace(out))
	}
	return nil
}

// Mounted says whether something is mounted on a folder.
func Mounted(dir string) (bool, error) {
	var here, above unix.Stat_t
	if err := unix.Stat(dir, &here); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return false, nil
		}
		return false, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if err := unix.Stat(filepath.Dir(dir), &above); err != nil {
		return false, &os.PathError{Op: "stat", Path: filepath.Dir(dir), Err: err}
	}
	return here.Dev != above.Dev, nil
}

// Mount mounts the file on the folder, which it makes. The loop device goes
// with the mount. Nothing in it is a device or gets rights by its mode: what
// runs there runs through an overlay.
func Mount(path, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// A mount that was taken away may still be used by who opened something in
	// it, or be on its way out. A second device of the same file would be a
	// second, independent file system over the same bytes; the device that
	// there is gives the same one again.
	if found, err := mountAgain(f, dir); found {
		return err
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	for range 64 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return os.NewSyscallError("ioctl LOOP_CTL_GET_FREE", err)
		}
		name := fmt.Sprintf("/dev/loop%d", n)
		taken, err := mountLoop(f, name, dir)
		if !taken {
			return err
		}
	}
	return fmt.Errorf("mount %s: no free loop device: others take each that is found", path)
}

// mountLoop uses one loop device; taken says that somebody else was faster.
func mountLoop(f *os.File, name, dir string) (taken bool, err error) {
	loop, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer loop.Close()
	config := unix.LoopConfig{Fd: uint32(f.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	copy(config.Info.File_name[:], f.Name())
	if err := unix.IoctlLoopConfigure(int(loop.Fd()), &config); err != nil {
		return errors.Is(err, unix.EBUSY), os.NewSyscallError("ioctl LOOP_CONFIGURE "+name, err)
	}
	return false, attach(name, dir)
}

// mountAgain mounts the loop device that has the file already, if there is one.
func mountAgain(f *os.File, dir string) (found bool, err error) {
	var file unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &file); err != nil {
		return true, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	bound, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return true, err
	}
	for _, path := range bound {
		name := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(path)))
		loop, err := os.OpenFile(name, os.O_RDWR, 0) // held open it does not go
		if err != nil {
			continue // it went meanwhile
		}
		info, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
		if err == nil && info.Device == file.Dev && info.Inode == file.Ino {
			err = attach(name, dir)
			loop.Close()
			return true, err
		}
		loop.Close()
	}
	return false, nil
}

func attach(name, dir string) error {
	err := unix.Mount(name, dir, "ext4", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOATIME, "")
	if err != nil {
		return fmt.Errorf("mount %s: %w", name, os.NewSyscallError("mount", err))
	}
	// Copies of the mount in other namespaces would keep the device.
	return os.NewSyscallError("mount MS_PRIVATE", unix.Mount("", dir, "", unix.MS_PRIVATE, ""))
}

// Unmount takes the mount away, at once from the names and from use when the
// last one has closed it.
func Unmount(dir string) error {
	err := unix.Unmount(dir, 0)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(dir, unix.MNT_DETACH)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil // nothing is mounted there
	}
	if err != nil {
		return &os.PathError{Op: "umount2", Path: dir, Err: err}
	}
	return nil
}
