//go:build linux

package files

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// write unpacks a tar into the folder that a path means.
func (t *top) write(asked string, in io.Reader, o WriteOptions) error {
	clean, _ := split(asked)
	fd, err := openat2(t.root, clean, unix.O_PATH, 0, inRoot)
	if errors.Is(err, fs.ErrNotExist) {
		e := fault.New(fault.ErrNotFound, "path-not-found", "no such folder in the container: "+strconv.Quote(clean), "path", clean)
		e.Err = err
		return e
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fault.New(fault.ErrInvalid, "not-a-folder", "extraction point is not a directory: "+strconv.Quote(clean), "path", clean)
	}
	u := &unpacker{top: top{root: fd, own: t.own}, o: o, buf: make([]byte, 256<<10)}
	if err := u.run(tar.NewReader(in)); err != nil {
		return worded(err)
	}
	_, err = io.Copy(io.Discard, in) // what pads the archive's end
	return err
}

// worded gives what the kernel refuses for the container's own reasons a kind
// and a code.
func worded(err error) error {
	var e *fault.Error
	switch {
	case errors.Is(err, unix.EROFS):
		e = fault.New(fault.ErrConflict, "read-only", "the container's files are read-only there")
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		e = fault.New(fault.ErrHost, "disk-full", "no space is left there")
	default:
		return err
	}
	e.Err = err
	return e
}

// unpacker writes an archive beneath its top.
type unpacker struct {
	top
	o    WriteOptions
	dirs []folder // whose times are set last
	buf  []byte
}

type folder struct {
	name  string
	times []unix.Timespec
}

func (u *unpacker) run(in *tar.Reader) error {
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fault.New(fault.ErrInvalid, "bad-archive", "read the archive: "+err.Error())
		}
		if err := u.entry(h, in); err != nil {
			return fmt.Errorf("archive entry %q: %w", h.Name, err)
		}
	}
	for i := len(u.dirs) - 1; i >= 0; i-- {
		d := u.dirs[i]
		fd, err := openat2(u.root, d.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, inRoot)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			continue // the container has put something else there
		}
		if err != nil {
			return err
		}
		err = unix.UtimesNanoAt(fd, "", d.times, unix.AT_EMPTY_PATH)
		unix.Close(fd)
		if err != nil {
			return os.NewSyscallError("utimensat", err)
		}
	}
	return nil
}

// inside cleans a name of an archive; "" is the folder itself.
func inside(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fault.New(fault.ErrInvalid, "escapes-root", "path leaves the folder that it is unpacked into", "name", name)
	}
	if clean == "." {
		return "", nil
	}
	return clean, nil
}

func (u *unpacker) entry(h *tar.Header, in io.Reader) error {
	name, err := inside(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeChar, tar.TypeBlock:
		return fault.New(fault.ErrUnsupported, "no-devices", "devices can't be made in a container")
	}
	if name == "" {
		return nil // docker leaves the folder itself as it is
	}
	dir, base, err := u.parent(name)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	there, err := u.makeRoom(dir, base, h.Typeflag == tar.TypeDir)
	if err != nil {
		return err
	}
	owner := Owner{UID: uint32(h.Uid), GID: uint32(h.Gid)}
	if u.o.Owner != nil {
		owner = *u.o.Owner
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: h.ModTime.Unix(), Nsec: int64(h.ModTime.Nanosecond())}}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(dir, base, name, there, h, owner, times)
	case tar.TypeReg, tar.TypeGNUSparse: // the reader turns the old form's zero into TypeReg
		return u.file(dir, base, h, in, owner, times)
	case tar.TypeLink:
		return u.link(dir, base, h.Linkname)
	case tar.TypeSymlink:
		if err := unix.Symlinkat(h.Linkname, dir, base); err != nil {
			return os.NewSyscallError("symlinkat", err)
		}
	case tar.TypeFifo:
		if err := unix.Mknodat(dir, base, unix.S_IFIFO|uint32(h.Mode&0o7777), 0); err != nil {
			return os.NewSyscallError("mknodat", err)
		}
	default:
		return fault.New(fault.ErrUnsupported, "entry-kind", fmt.Sprintf("entries of type %q are not unpacked", h.Typeflag))
	}
	if err := unix.Fchownat(dir, base, int(owner.UID), int(owner.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return ownerError(owner, "fchownat", err)
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(dir, base, times, unix.AT_SYMLINK_NOFOLLOW))
}

func ownerError(o Owner, call string, err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fault.New(fault.ErrInvalid, "owner-outside",
			fmt.Sprintf("owner %d:%d is outside of the container's id range", o.UID, o.GID), "uid", fmt.Sprint(o.UID), "gid", fmt.Sprint(o.GID))
	}
	return os.NewSyscallError(call, err)
}

// parent opens the folder that holds a name and makes it where it is not there.
func (u *unpacker) parent(name string) (dir int, base string, err error) {
	above, base := path.Split(name)
	dir, err = u.mkdirAll(path.Clean(above), 0o755, Owner{})
	return dir, base, err
}

// makeRoom removes what stands where something is to be made. It says whether
// a folder stays there, for another to merge with.
func (u *unpacker) makeRoom(dir int, base string, forFolder bool) (there bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, os.NewSyscallError("fstatat", err)
	}
	isFolder := st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case isFolder && forFolder:
		return true, nil
	case isFolder && u.o.NoOverwriteDirNonDir:
		return false, fault.New(fault.ErrInvalid, "overwrite-folder", fmt.Sprintf("cannot overwrite directory %q with non-directory", base), "name", base)
	case forFolder && u.o.NoOverwriteDirNonDir:
		return false, fault.New(fault.ErrInvalid, "overwrite-file", fmt.Sprintf("cannot overwrite non-directory %q with directory", base), "name", base)
	}
	return false, removeAll(dir, base, 0)
}

func (u *unpacker) folder(dir int, base, name string, there bool, h *tar.Header, owner Owner, times []unix.Timespec) error {
	if !there {
		if err := unix.Mkdirat(dir, base, 0o700); err != nil {
			return os.NewSyscallError("mkdirat", err)
		}
	}
	fd, err := openat2(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, oneStep)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	u.dirs = append(u.dirs, folder{name, times})
	return setAll(fd, h, owner)
}

func (u *unpacker) file(dir int, base string, h *tar.Header, in io.Reader, owner Owner, times []unix.Timespec) error {
	fd, err := openat2(dir, base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW, 0o600, oneStep)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	defer f.Close()
	n, err := io.CopyBuffer(writer{f}, reader{in}, u.buf)
	if err != nil {
		return err
	}
	if n != h.Size {
		return fault.New(fault.ErrInvalid, "bad-archive", fmt.Sprintf("%d of %d bytes are there", n, h.Size))
	}
	if err := setAll(fd, h, owner); err != nil {
		return err
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH))
}

// setAll sets owner, attributes and mode, in this order: chown takes away setuid
// bits and capabilities.
func setAll(fd int, h *tar.Header, owner Owner) error {
	if err := unix.Fchown(fd, int(owner.UID), int(owner.GID)); err != nil {
		return ownerError(owner, "fchown", err)
	}
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, paxXattr)
		if !ok {
			continue
		}
		err := unix.Fsetxattr(fd, name, []byte(value), 0)
		// trusted.* is the host's; what else this file system has no place for
		// is left out, as docker does.
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w %s", os.NewSyscallError("fsetxattr", err), name)
		}
	}
	return os.NewSyscallError("fchmod", unix.Fchmod(fd, uint32(h.Mode&0o7777)))
}

// link makes a hard link to something that the archive, or the folder, has.
func (u *unpacker) link(dir int, base, target string) error {
	name, err := inside(target)
	if err != nil {
		return err
	}
	above, last := path.Split(name)
	from, err := openat2(u.root, path.Clean(above), unix.O_PATH|unix.O_DIRECTORY, 0, inRoot)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", target, err)
	}
	defer unix.Close(from)
	// The last component is taken for itself, link or not (linkat(2) follows
	// none unless it is told to).
	if err := unix.Linkat(from, last, dir, base, 0); err != nil {
		return fmt.Errorf("hard link to %q: %w", target, os.NewSyscallError("linkat", err))
	}
	return nil
}
