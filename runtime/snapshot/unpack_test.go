//go:build linux

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// entries is a layer without a tar: for what archive/tar does not write.
func entries(t *testing.T, list ...imagecore.Entry) *tree.Tree {
	t.Helper()
	for i := range list {
		list[i].Name, list[i].Mode = list[i].Path, 0o644
	}
	tr, err := tree.Build([]imagecore.Layer{{Present: true, Entries: list}}, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func from(b []byte) func(int) (io.ReaderAt, error) {
	return func(int) (io.ReaderAt, error) { return bytes.NewReader(b), nil }
}

func TestASparseFileTakesNoRoomForItsHoles(t *testing.T) {
	needRoot(t)
	const size = 8 << 30
	tr := entries(t, imagecore.Entry{
		Path: "big", Kind: imagecore.File, Size: size, DataOffset: 3, Stored: 6,
		Sparse: []imagecore.Fragment{{Offset: 5, Length: 2}, {Offset: size - 4, Length: 4}},
	})
	dir := filepath.Join(t.TempDir(), "l")
	if err := Unpack(t.Context(), dir, tr, 0, from([]byte("___abWXYZ")), UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir+"/big", &st); err != nil || st.Size != size || st.Blocks > 64 {
		t.Errorf("size %d, %d blocks, %v", st.Size, st.Blocks, err)
	}
	f, err := os.Open(dir + "/big")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head, tail := make([]byte, 8), make([]byte, 6)
	f.ReadAt(head, 0)
	f.ReadAt(tail, size-6)
	if string(head) != "\x00\x00\x00\x00\x00ab\x00" || string(tail) != "\x00\x00WXYZ" {
		t.Errorf("%q … %q", head, tail)
	}
}

// left lists what a folder holds.
func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestAFailedUnpackNamesTheEntryAndLeavesNothing(t *testing.T) {
	needRoot(t)
	tr := entries(t, imagecore.Entry{Path: "d/f", Kind: imagecore.File, Size: 100, Stored: 100, Offset: 512, DataOffset: 1024})
	dir := t.TempDir()
	err := Unpack(t.Context(), filepath.Join(dir, "l"), tr, 0, from(make([]byte, 1050)), UnpackOptions{})
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != "truncated" || e.Entry != "d/f" || e.Offset != 512 || e.Layer != 0 {
		t.Errorf("got %v (%+v)", err, e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Unpack(ctx, filepath.Join(dir, "l"), tr, 0, from(make([]byte, 2000)), UnpackOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if names := left(t, dir); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestAFullDiskIsAnErrorAndLeavesNothing(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	tr := entries(t, imagecore.Entry{Path: "f", Kind: imagecore.File, Size: 1 << 20, Stored: 1 << 20})
	if err := Unpack(t.Context(), filepath.Join(dir, "l"), tr, 0, from(make([]byte, 1<<20)), UnpackOptions{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if names := left(t, dir); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestUnpackReplacesNothing(t *testing.T) {
	needRoot(t)
	dir := filepath.Join(t.TempDir(), "l")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(t.Context(), dir, entries(t), 0, from(nil), UnpackOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if names := left(t, filepath.Dir(dir)); !slices.Equal(names, []string{"l"}) {
		t.Errorf("left: %v", names)
	}
}

func TestAttributesWithoutAPlaceAreToldAndLeftOut(t *testing.T) {
	needRoot(t)
	x := []imagecore.Xattr{{Key: "com.apple.quarantine", Value: "1"}, {Key: "user.k", Value: "v"}}
	tr := entries(
		t,
		imagecore.Entry{Path: "f", Kind: imagecore.File, Xattrs: x},
		imagecore.Entry{Path: "l", Kind: imagecore.Symlink, Link: "f", Xattrs: x},
	)
	dir := filepath.Join(t.TempDir(), "l")
	var skipped []string
	o := UnpackOptions{Skipped: func(path, xattr string) { skipped = append(skipped, path+" "+xattr) }}
	if err := Unpack(t.Context(), dir, tr, 0, from(nil), o); err != nil {
		t.Fatal(err)
	}
	slices.Sort(skipped) // files are written beside the rest
	if want := []string{"f com.apple.quarantine", "l com.apple.quarantine", "l user.k"}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %q, want %q", skipped, want)
	}
	if v, err := getXattrAt(dir+"/f", "user.k"); err != nil || string(v) != "v" {
		t.Errorf("user.k is %q, %v", v, err)
	}
}

func TestPathsStayBeneath(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "in")
	for _, err := range []error{os.Mkdir(inside, 0o755), os.Mkdir(inside+"/d", 0o755), os.Symlink("/etc", inside+"/link"), os.Symlink("d", inside+"/near")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.Open(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	b := newBeneath(int(root.Fd()))
	defer b.close()
	for _, p := range []string{"../x", "link/x", "near/x", "/etc/x", "d/../../x", "d/..", "d/", "", ".", "d/\x00"} {
		if _, name, err := b.parent(p); err == nil {
			t.Errorf("%q led to %q", p, name)
		}
	}
	if _, name, err := b.parent("d/x"); err != nil || name != "x" {
		t.Errorf("d/x: %q, %v", name, err)
	}
}

func TestSharedIDsShowTheTreeWithoutIdmapping(t *testing.T) {
	needRoot(t)
	s := base(t)
	tr := s.build(t)
	dir := t.TempDir()
	var layers []Layer
	for i := range s {
		l := filepath.Join(dir, fmt.Sprint(i))
		if err := Unpack(t.Context(), l, tr, i, s.content, UnpackOptions{Shift: testBase}); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, Layer{Dir: l})
	}
	root, err := Mount(MountOptions{Layers: layers, Upper: dir + "/upper", Work: dir + "/work", IDs: testIDs(), Method: SharedIDs})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want := strings.Join(describeView(t, tr.Top(), s), "\n")
	if got := strings.Join(describeDisk(t, attachRoot(t, root), testBase), "\n"); got != want {
		t.Errorf("the kernel shows\n%s\nthe tree says\n%s", got, want)
	}
}

func BenchmarkUnpack(b *testing.B) {
	needRoot(b)
	const files = 10_000
	list := []imagecore.Entry{}
	for i := range files {
		list = append(list, imagecore.Entry{
			Path: fmt.Sprintf("usr/share/d%d/file%d", i/100, i), Kind: imagecore.File, Mode: 0o644, Size: 1000, Stored: 1000,
		})
	}
	tr, err := tree.Build([]imagecore.Layer{{Present: true, Entries: list}}, tree.Spec)
	if err != nil {
		b.Fatal(err)
	}
	content := make([]byte, 1000)
	b.Run("10k_files", func(b *testing.B) {
		for b.Loop() {
			dir := filepath.Join(b.TempDir(), "l")
			if err := Unpack(b.Context(), dir, tr, 0, from(content), UnpackOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
