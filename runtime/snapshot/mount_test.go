//go:build linux

package snapshot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const testBase = 300000

func testIDs() IDs {
	m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: testBase, Size: 65536}}
	return IDs{UIDs: m, GIDs: m}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting overlays needs root")
	}
}

// attachRoot mounts a detached root in the test's own folder for its time and
// returns the path.
func attachRoot(t testing.TB, root *os.File) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.MoveMount(int(root.Fd()), "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func makeLayers(t testing.TB, dir string, n int) []Layer {
	t.Helper()
	var layers []Layer
	for i := range n {
		l := filepath.Join(dir, fmt.Sprintf("%064d", i)) // as long as a chainID
		if err := os.Mkdir(l, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(l, fmt.Sprintf("f%d", i)), []byte{byte(i)}, 0o644); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, Layer{Dir: l})
	}
	return layers
}

func TestMountShowsTheImagesIDsShiftedAndWritesToTheUpper(t *testing.T) {
	needRoot(t)
	for _, method := range []Method{LowerFDs, IdmappedNames} {
		for _, n := range []int{0, 1, 3, MaxLayers} {
			t.Run(fmt.Sprintf("%s/%d_layers", method, n), func(t *testing.T) {
				needMethod(t, method)
				dir := t.TempDir()
				layers := makeLayers(t, dir, n)
				upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
				root, err := Mount(MountOptions{Layers: layers, Upper: upper, Work: work, IDs: testIDs(), Method: method})
				if err != nil {
					t.Fatal(err)
				}
				defer root.Close()
				at := attachRoot(t, root)
				for i := range n {
					var st unix.Stat_t
					if err := unix.Lstat(fmt.Sprintf("%s/f%d", at, i), &st); err != nil {
						t.Fatal(err)
					}
					if st.Uid != testBase || st.Gid != testBase {
						t.Fatalf("f%d belongs to %d:%d, want the container's root %d", i, st.Uid, st.Gid, testBase)
					}
				}
				var st unix.Stat_t
				if err := unix.Stat(at, &st); err != nil || st.Uid != testBase || st.Mode&0o7777 != 0o755 {
					t.Errorf("root is %d, %#o, %v; want %d, 0755", st.Uid, st.Mode&0o7777, err, testBase)
				}
				if err := os.WriteFile(filepath.Join(at, "new"), []byte("x"), 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(upper, "new")); err != nil {
					t.Error(err)
				}
				if source := mountSource(t, at); source != "overlay" {
					t.Errorf("the mount's source reads %q, want overlay", source)
				}
				var fs unix.Statfs_t
				if err := unix.Statfs(at, &fs); err != nil || fs.Flags&unix.ST_NODEV == 0 {
					t.Errorf("flags %#x, %v: want nodev", fs.Flags, err)
				}
			})
		}
	}
}

// mountSource is what /proc names as the source of a mount point. Not of
// /proc/self: overlayByName may have left the first thread in another mount
// namespace.
func mountSource(t testing.TB, at string) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/thread-self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == at {
			return f[0]
		}
	}
	t.Fatalf("%s is no mount point", at)
	return ""
}

func TestMountRefusesMoreLayersThanOverlayfsTakes(t *testing.T) {
	if _, err := Mount(MountOptions{Layers: make([]Layer, MaxLayers+1)}); err == nil {
		t.Fatal("501 layers were taken")
	}
}

// needMethod skips what this kernel is too old for.
func needMethod(t *testing.T, m Method) {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	if m == LowerFDs && (major < 6 || major == 6 && minor < 13) {
		t.Skip("layers by descriptor need Linux 6.13")
	}
}

func TestMountWithoutUpperIsReadOnly(t *testing.T) {
	needRoot(t)
	for _, method := range []Method{LowerFDs, IdmappedNames} {
		t.Run(string(method), func(t *testing.T) {
			needMethod(t, method)
			root, err := Mount(MountOptions{Layers: makeLayers(t, t.TempDir(), 2), IDs: testIDs(), Method: method})
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if err := os.WriteFile(filepath.Join(attachRoot(t, root), "new"), nil, 0o644); err == nil {
				t.Error("a file could be written")
			}
		})
	}
}

func TestProbeFindsAMethodAndLeavesNothing(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	m, err := Probe(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("method:", m)
	left, _ := os.ReadDir(dir)
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestALayerMayBeAMountPoint: what the folder's path shows is the layer, not what
// lies beneath its mount.
func TestALayerMayBeAMountPoint(t *testing.T) {
	needRoot(t)
	dir, other := t.TempDir(), t.TempDir()
	layers := makeLayers(t, dir, 3)
	if err := os.WriteFile(filepath.Join(other, "mounted"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(other, layers[1].Dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(layers[1].Dir, unix.MNT_DETACH) })
	method, err := Probe(dir)
	if err != nil {
		t.Fatal(err)
	}
	root, err := Mount(MountOptions{Layers: layers, IDs: testIDs(), Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	at := attachRoot(t, root)
	for name, want := range map[string]bool{"f0": true, "f1": false, "mounted": true, "f2": true} {
		if _, err := os.Stat(filepath.Join(at, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
