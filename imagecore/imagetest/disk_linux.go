package imagetest

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"golang.org/x/sys/unix"
)

// DiskFull returns what a folder holds, the folder itself first, as a process
// would see it whose root it is. Attributes that overlayfs keeps its own books
// in are left out.
func DiskFull(root string) ([]Full, error) {
	type inode struct{ dev, ino uint64 }
	var all []Full
	var inodes []inode
	names := map[inode][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			if err == unix.ENOENT && d.Type()&fs.ModeCharDevice != 0 {
				return nil // a whiteout in a folder that one layer alone has: listed, but not there
			}
			return &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		f := Full{ModTime: st.Mtim.Sec, Line: Line{Path: strings.TrimPrefix(strings.TrimPrefix(path, root), "/"), Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid}}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			f.Type = 'd'
		case unix.S_IFREG:
			f.Type = 'f'
			if f.Content, err = os.ReadFile(path); err != nil {
				return err
			}
		case unix.S_IFLNK:
			f.Type = 's'
			if f.Target, err = os.Readlink(path); err != nil {
				return err
			}
		case unix.S_IFCHR:
			f.Type = 'c'
		case unix.S_IFBLK:
			f.Type = 'b'
		case unix.S_IFIFO:
			f.Type = 'p'
		}
		if f.Type == 'c' || f.Type == 'b' {
			f.Major, f.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
		}
		if f.Xattrs, err = diskXattrs(path); err != nil {
			return err
		}
		in := inode{st.Dev, st.Ino}
		if f.Type != 'd' {
			names[in] = append(names[in], f.Path)
		}
		all, inodes = append(all, f), append(inodes, in)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		if n := names[inodes[i]]; len(n) > 1 && all[i].Type != 'd' {
			slices.SortFunc(n, tree.ComparePaths)
			all[i].Links, all[i].First = len(n), n[0]
		}
	}
	slices.SortFunc(all, func(a, b Full) int { return tree.ComparePaths(a.Path, b.Path) })
	return all, nil
}

func diskXattrs(path string) ([]imagecore.Xattr, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		if err == unix.ENOTSUP {
			err = nil
		}
		return nil, err
	}
	var all []imagecore.Xattr
	for _, key := range strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if strings.HasPrefix(key, "trusted.overlay.") || key == "security.selinux" {
			continue
		}
		value := make([]byte, 64<<10)
		m, err := unix.Lgetxattr(path, key, value)
		if err != nil {
			return nil, &os.PathError{Op: "getxattr " + key, Path: path, Err: err}
		}
		all = append(all, imagecore.Xattr{Key: key, Value: string(value[:m])})
	}
	slices.SortFunc(all, func(a, b imagecore.Xattr) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}
