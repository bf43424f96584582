package tree_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
	"golang.org/x/sys/unix"
)

// TestKernelShowsTheTree unpacks changesets, lets the kernel's overlayfs stack
// the folders and reads the result back.
func TestKernelShowsTheTree(t *testing.T) {
	if !canMount(t) {
		t.Skip("this process may not mount overlayfs (not root, or no CAP_SYS_ADMIN)")
	}
	for _, c := range imagetest.EngineCases() {
		t.Run(c.Name, func(t *testing.T) { checkKernel(t, c.Stack) })
	}
	for seed := range uint64(200) {
		t.Run(fmt.Sprintf("random-%d", seed), func(t *testing.T) { checkKernel(t, imagetest.Random(seed)) })
	}
}

func canMount(t *testing.T) bool {
	dir := t.TempDir()
	lower := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, d := range append(lower, filepath.Join(dir, "m")) {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if unix.Setxattr(lower[0], "trusted.overlay.opaque", []byte("y"), 0) != nil {
		return false
	}
	if unix.Mount("overlay", filepath.Join(dir, "m"), "overlay", unix.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")) != nil {
		return false
	}
	return unix.Unmount(filepath.Join(dir, "m"), unix.MNT_DETACH) == nil
}

func checkKernel(t *testing.T, s imagetest.Stack) {
	layers, tars := s.Layers()
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	dir, merged := t.TempDir(), filepath.Join(t.TempDir(), "m")
	if err := os.Mkdir(merged, 0o755); err != nil {
		t.Fatal(err)
	}
	lowers := []string{filepath.Join(dir, "empty")}
	if err := os.Mkdir(lowers[0], 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range s {
		folder := filepath.Join(dir, fmt.Sprint(i))
		unpack(t, folder, tr, i, imagetest.Opener(tars))
		lowers = append(lowers, folder)
	}
	slices.Reverse(lowers) // the uppermost first
	if err := unix.Mount("overlay", merged, "overlay", unix.MS_RDONLY, "lowerdir="+strings.Join(lowers, ":")); err != nil {
		if len(lowers) == 1 {
			return // nothing to stack
		}
		t.Fatalf("mount: %v", err)
	}
	defer func() {
		if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	want, err := imagetest.ViewLines(tr.Top(), imagetest.Opener(tars))
	if err != nil {
		t.Fatal(err)
	}
	if got := readBack(t, merged); got != want {
		t.Errorf("the kernel shows\n%sthe tree is\n%s\n%s", got, want, s)
	}
	if len(s) > 0 {
		a := tr.Top().Root().Attr()
		var st unix.Stat_t
		if err := unix.Lstat(merged, &st); err != nil || st.Mode&0o7777 != a.Mode || st.Uid != a.UID {
			t.Errorf("the root is %o %d (%v), want %o %d", st.Mode&0o7777, st.Uid, err, a.Mode, a.UID)
		}
	}
}

func unpack(t *testing.T, dir string, tr *tree.Tree, layer int, content func(int) (io.ReaderAt, error)) {
	t.Helper()
	for i, c := range tr.Changeset(layer) {
		if (i == 0) != (c.Path == "") {
			t.Fatalf("change %d is %q: the root comes first", i, c.Path)
		}
		path := filepath.Join(dir, c.Path)
		dev := int(unix.Mkdev(c.Major, c.Minor))
		var err error
		switch c.Kind {
		case imagecore.Dir:
			err = unix.Mkdir(path, 0o700)
			if err == nil && c.Opaque {
				err = unix.Setxattr(path, "trusted.overlay.opaque", []byte("y"), 0)
			}
		case imagecore.File:
			var r io.ReaderAt
			var b []byte
			if r, err = content(c.Content.Layer); err == nil {
				if b, err = io.ReadAll(tree.Content(r, tr.Entry(c.Content))); err == nil {
					err = os.WriteFile(path, b, 0o600)
				}
			}
		case imagecore.Symlink:
			err = os.Symlink(c.Link, path)
		case imagecore.Hardlink:
			err = unix.Linkat(unix.AT_FDCWD, filepath.Join(dir, c.Link), unix.AT_FDCWD, path, 0)
		case imagecore.Char:
			err = unix.Mknod(path, unix.S_IFCHR, dev)
		case imagecore.Block:
			err = unix.Mknod(path, unix.S_IFBLK, dev)
		case imagecore.Fifo:
			err = unix.Mkfifo(path, 0o600)
		case imagecore.Whiteout:
			err = unix.Mknod(path, unix.S_IFCHR, 0)
		default:
			err = errors.New("no such kind: " + c.Kind.String())
		}
		if err != nil {
			t.Fatalf("layer %d: %q: %v", layer, c.Path, err)
		}
		if c.Kind == imagecore.Hardlink || c.Kind == imagecore.Whiteout {
			continue
		}
		if err := os.Lchown(path, int(c.UID), int(c.GID)); err != nil {
			t.Fatal(err)
		}
		if c.Kind != imagecore.Symlink {
			if err := unix.Chmod(path, c.Mode); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// readBack renders a folder as imagetest.Lines does.
func readBack(t *testing.T, root string) string {
	t.Helper()
	type found struct {
		line imagetest.Line
		ino  [2]uint64
	}
	var all []found
	names := map[[2]uint64][]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel := strings.TrimPrefix(path, root+"/")
		f := found{line: imagetest.Line{Path: rel, Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid}, ino: [2]uint64{st.Dev, st.Ino}}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			f.line.Type = 'd'
		case syscall.S_IFREG:
			f.line.Type = 'f'
			if f.line.Content, err = os.ReadFile(path); err != nil {
				return err
			}
		case syscall.S_IFLNK:
			f.line.Type = 's'
			if f.line.Target, err = os.Readlink(path); err != nil {
				return err
			}
		case syscall.S_IFCHR:
			f.line.Type = 'c'
			f.line.Major, f.line.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
		case syscall.S_IFIFO:
			f.line.Type = 'p'
		}
		if f.line.Type != 'd' {
			names[f.ino] = append(names[f.ino], rel)
		}
		all = append(all, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b found) int { return tree.ComparePaths(a.line.Path, b.line.Path) })
	text := ""
	for _, f := range all {
		if n := names[f.ino]; len(n) > 1 && f.line.Type != 'd' {
			slices.SortFunc(n, tree.ComparePaths)
			f.line.Links, f.line.First = len(n), n[0]
		}
		text += f.line.String()
	}
	return text
}
