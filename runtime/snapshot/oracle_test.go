//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// TestTheKernelShowsTheSpecTreeOfRandomStacks unpacks random stacks, the oddest
// included, lets the kernel's overlayfs stack the folders and compares what it
// shows with the tree of the spec lens: kinds, contents, modes, owners, times,
// links, attributes. LAYERLAB_STACKS says how many.
func TestTheKernelShowsTheSpecTreeOfRandomStacks(t *testing.T) {
	needRoot(t)
	stacks := 500
	if n, err := strconv.Atoi(os.Getenv("LAYERLAB_STACKS")); err == nil {
		stacks = n
	}
	dir := inMemory(t)
	for seed := range stacks {
		s := imagetest.Odd(uint64(seed))
		if d := showsTree(t, filepath.Join(dir, strconv.Itoa(seed)), s); d != "" {
			t.Fatalf("seed %d: %s\n%s", seed, d, s)
		}
	}
	t.Logf("spec: %d stacks unpacked by the snapshotter and stacked by the kernel", stacks)
}

func TestTheKernelShowsTheSpecTreeOfTheEngineCases(t *testing.T) {
	needRoot(t)
	dir := inMemory(t)
	cases := imagetest.EngineCases()
	for _, c := range cases {
		if d := showsTree(t, filepath.Join(dir, c.Name), c.Stack); d != "" {
			t.Errorf("%s: %s", c.Name, d)
		}
	}
	t.Logf("spec: %d engine cases", len(cases))
}

// inMemory returns a folder on a tmpfs: thousands of layers are unpacked and
// each is made durable.
func inMemory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Setxattr(dir, "user.layerlab", []byte("x"), 0); errors.Is(err, unix.EOPNOTSUPP) {
		return t.TempDir() // a tmpfs has such attributes since Linux 6.6
	}
	return dir
}

// showsTree returns how the kernel's overlay of a stack's unpacked layers
// differs from the stack's tree, "" if it does not.
func showsTree(t *testing.T, dir string, s imagetest.Stack) string {
	t.Helper()
	read, tars := s.Layers()
	tr, err := tree.Build(read, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var lowers []Layer
	for l := range tr.Layers() {
		folder := filepath.Join(dir, fmt.Sprint(l))
		if err := Unpack(context.Background(), folder, tr, l, imagetest.Opener(tars), UnpackOptions{}); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
		lowers = append(lowers, Layer{Dir: folder})
	}
	root, err := Mount(MountOptions{Layers: lowers, Upper: dir + "/upper", Work: dir + "/work"})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	at := filepath.Join(dir, "m")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.MoveMount(int(root.Fd()), "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(at, unix.MNT_DETACH)
	got, err := imagetest.DiskFull(at)
	if err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	want, err := imagetest.ViewFull(tr.Top(), imagetest.Opener(tars))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].Xattrs = holdable(want[i])
	}
	return imagetest.CompareFull(want, got)
}

// holdable leaves out the attributes that no file system gives to this kind of
// file; Unpack tells of them (Skipped).
func holdable(f imagetest.Full) []imagecore.Xattr {
	var kept []imagecore.Xattr
	for _, x := range f.Xattrs {
		if f.Type == 'f' || f.Type == 'd' || !strings.HasPrefix(x.Key, "user.") {
			kept = append(kept, x)
		}
	}
	return kept
}
