//go:build linux

package quota_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/quota"
)

func TestFullIsFullAndTheRestIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a loop device")
	}
	if err := quota.Can(); err != nil {
		t.Skip("this host keeps no sizes:", err)
	}
	dir := t.TempDir()
	img, at := filepath.Join(dir, "rw.img"), filepath.Join(dir, "rw")
	if err := quota.Make(img, quota.Least); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(img, &st); err != nil || st.Size != quota.Least || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes, %d on disk (%v)", st.Size, st.Blocks*512, err)
	}
	if err := quota.Make(img, quota.Least); err == nil {
		t.Error("made over another")
	}
	if err := quota.Mount(img, at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = quota.Unmount(at) })
	if is, err := quota.Mounted(at); err != nil || !is {
		t.Errorf("mounted: %v %v", is, err)
	}
	err := os.WriteFile(filepath.Join(at, "big"), bytes.Repeat([]byte("x"), 2*quota.Least), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("twice the size: %v", err)
	}
	if err := os.Truncate(filepath.Join(at, "big"), 5); err != nil {
		t.Fatal(err)
	}
	if err := quota.Unmount(at); err != nil {
		t.Fatal(err)
	}
	if is, err := quota.Mounted(at); err != nil || is {
		t.Errorf("mounted after: %v %v", is, err)
	}
	if err := quota.Unmount(at); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := quota.Mount(img, at); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(at, "big")); err != nil || string(got) != "xxxxx" {
		t.Errorf("%q %v", got, err)
	}
}

// Whoever holds something open in a mount that is taken away goes on writing to
// it: the next mount must be of the same file system, not of a second one over
// the same bytes.
func TestAMountThatIsStillUsedIsMountedAgain(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a loop device")
	}
	if err := quota.Can(); err != nil {
		t.Skip("this host keeps no sizes:", err)
	}
	dir := t.TempDir()
	img, at := filepath.Join(dir, "rw.img"), filepath.Join(dir, "rw")
	if err := errors.Join(quota.Make(img, quota.Least), quota.Mount(img, at)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = quota.Unmount(at) })
	f, err := os.Create(filepath.Join(at, "held"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(quota.Unmount(at), quota.Mount(img, at)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("late"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(at, "held")); err != nil || string(got) != "late" {
		t.Errorf("%q %v: the two are not one", got, err)
	}
}
