//go:build linux

package files

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// maxDepth bounds how deep folders are followed: each level holds a descriptor.
const maxDepth = 512

// read writes a path as a tar.
func (t *top) read(asked string, out io.Writer, tell func(answer) error) error {
	fd, st, err := t.stat(asked)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := tell(answer{Stat: &st}); err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 256<<10)
	p := &packer{top: t, tar: tar.NewWriter(buffered), links: map[inode]string{}, buf: make([]byte, 256<<10)}
	if err := p.add(fd, rename(asked), 0, 0); err != nil {
		return err
	}
	return errors.Join(p.tar.Close(), buffered.Flush())
}

// rename is the name that the archive's first entry has: the path's last
// component, "." for what ends in "/.", and nothing for the root.
func rename(asked string) string {
	switch base := path.Base(asked); {
	case asked == "" || path.Clean("/"+asked) == "/" && !strings.HasSuffix(asked, "."):
		return ""
	case strings.HasSuffix(asked, "/."):
		return "."
	default:
		return base
	}
}

type inode struct{ dev, ino uint64 }

// packer writes a tar of what it walks.
type packer struct {
	*top
	tar   *tar.Writer
	links map[inode]string // of files with several names → the first
	buf   []byte
}

// add writes what is open at fd, under a name, and all that is in it. dev is
// the device of the folder above, 0 at the beginning.
func (p *packer) add(fd int, name string, dev uint64, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	h := &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return p.folder(fd, h, &st, dev, depth)
	case unix.S_IFREG:
		return p.file(fd, h, &st)
	case unix.S_IFLNK:
		text, err := linkText(fd)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, text
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev)))
	default:
		return nil // a socket, which no tar can hold
	}
	return p.tar.WriteHeader(h)
}

func (p *packer) folder(fd int, h *tar.Header, st *unix.Stat_t, dev uint64, depth int) error {
	if depth > maxDepth {
		return fault.New(fault.ErrTooLarge, "path-too-deep", fmt.Sprintf("folders are nested deeper than %d", maxDepth), "path", h.Name)
	}
	name := h.Name
	h.Typeflag, h.Name = tar.TypeDir, name+"/"
	dir, err := p.again(fd)
	if err != nil {
		return err
	}
	defer dir.Close()
	if h.PAXRecords, err = xattrs(dir); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	if st.Dev != dev && kernels(dir) && dev != 0 {
		return nil // what the kernel makes up as one looks at it
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	slices.Sort(names)
	for _, child := range names {
		c, err := openat2(int(dir.Fd()), child, unix.O_PATH|unix.O_NOFOLLOW, 0, oneStepOrLink)
		if errors.Is(err, unix.ENOENT) {
			continue // gone since
		}
		if err != nil {
			return fmt.Errorf("in %q: %w", name, err)
		}
		err = p.add(c, name+"/"+child, st.Dev, depth+1)
		unix.Close(c)
		if err != nil {
			return err
		}
	}
	return nil
}

// oneStepOrLink opens a name that may be a link, for itself (O_NOFOLLOW).
const oneStepOrLink = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS

// kernels says whether a folder's file system shows the kernel's own state. An
// archive of / stops there, as docker's does, which does not see it at all.
func kernels(dir *os.File) bool {
	var s unix.Statfs_t
	if unix.Fstatfs(int(dir.Fd()), &s) != nil {
		return false
	}
	switch int64(s.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEVPTS_SUPER_MAGIC, mqueueMagic, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC:
		return true
	}
	return false
}

const mqueueMagic = 0x19800202 // ipc/mqueue.c

func (p *packer) file(fd int, h *tar.Header, st *unix.Stat_t) error {
	id := inode{uint64(st.Dev), st.Ino}
	if first, ok := p.links[id]; ok && st.Nlink > 1 {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return p.tar.WriteHeader(h)
	}
	p.links[id] = h.Name
	f, err := p.again(fd)
	if err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, st.Size
	if h.PAXRecords, err = xattrs(f); err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyBuffer(writer{p.tar}, io.LimitReader(reader{f}, st.Size), p.buf)
	if err == nil && n < st.Size {
		err = fault.New(fault.ErrConflict, "changed-meanwhile",
			fmt.Sprintf("%s has %d bytes less than when it was looked at: pause the container", strconv.Quote(h.Name), st.Size-n), "path", h.Name)
	}
	return err
}

// writer hides all methods but Write, which is given whole buffers then.
type writer struct{ io.Writer }

// xattrs are the extended attributes that an archive keeps: capabilities and
// those that programs set. The kernel tells them in the container's terms.
func xattrs(f *os.File) (map[string]string, error) {
	var out map[string]string
	buf := make([]byte, 64<<10)
	n, err := unix.Flistxattr(int(f.Fd()), buf)
	if errors.Is(err, unix.ENOTSUP) || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("flistxattr", err)
	}
	value := make([]byte, 64<<10)
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name != "security.capability" && !strings.HasPrefix(name, "user.") {
			continue
		}
		n, err := unix.Fgetxattr(int(f.Fd()), name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w %s", os.NewSyscallError("fgetxattr", err), name)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[paxXattr+name] = string(value[:n])
	}
	return out, nil
}

const paxXattr = "SCHILY.xattr."
