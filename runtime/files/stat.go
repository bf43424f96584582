//go:build linux

package files

import (
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

func (t *top) tellStat(asked string, tell func(answer) error) error {
	fd, st, err := t.stat(asked)
	if err != nil {
		return err
	}
	unix.Close(fd)
	return tell(answer{Stat: &st})
}

// stat looks at a path and leaves it open.
func (t *top) stat(asked string) (int, Stat, error) {
	clean, follow := split(asked)
	fd, err := t.look(clean, follow)
	if err != nil {
		return -1, Stat{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, Stat{}, os.NewSyscallError("fstat", err)
	}
	out := Stat{Name: path.Base(clean), Size: st.Size, Mode: modeOf(st.Mode), Mtime: time.Unix(st.Mtim.Unix()).UTC()}
	if out.Mode.Type() == fs.ModeSymlink {
		if out.LinkTarget, err = t.target(fd, clean); err != nil {
			unix.Close(fd)
			return -1, Stat{}, err
		}
	}
	return fd, out, nil
}

// target says where a link leads in the container: docker's command line goes
// on from there. What is not there is told by its name.
func (t *top) target(link int, clean string) (string, error) {
	if fd, err := openat2(t.root, clean, unix.O_PATH, 0, inRoot); err == nil {
		defer unix.Close(fd)
		if p := t.pathOf(fd); p != "" {
			return p, nil
		}
	}
	text, err := linkText(link)
	if err != nil {
		return "", err
	}
	if !path.IsAbs(text) {
		text = path.Join(path.Dir(clean), text)
	}
	return path.Clean(text), nil
}

// modeOf is a mode of the system in Go's bits.
func modeOf(m uint32) fs.FileMode {
	out := fs.FileMode(m & 0o777)
	for _, b := range []struct {
		system uint32
		mode   fs.FileMode
	}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}} {
		if m&b.system != 0 {
			out |= b.mode
		}
	}
	switch m & unix.S_IFMT {
	case unix.S_IFDIR:
		out |= fs.ModeDir
	case unix.S_IFLNK:
		out |= fs.ModeSymlink
	case unix.S_IFIFO:
		out |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		out |= fs.ModeSocket
	case unix.S_IFCHR:
		out |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		out |= fs.ModeDevice
	}
	return out
}
