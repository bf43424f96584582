//go:build linux

package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/snapshot"
)

// generous is for a loaded machine; what is said is 100 ms and a second.
const generous = 10 * time.Second

// within waits for a signal.
func within(t *testing.T, c <-chan struct{}, d time.Duration, what string) {
	t.Helper()
	select {
	case _, ok := <-c:
		if !ok {
			t.Fatalf("%s: the channel is closed", what)
		}
	case <-time.After(d):
		t.Fatalf("%s: no signal within %v", what, d)
	}
}

func start(t *testing.T, dir string) <-chan struct{} {
	t.Helper()
	c, err := Upper(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	within(t, c, generous, "at the start")
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSignalsForNewFoldersAndWhatIsPutIntoThem(t *testing.T) {
	dir := t.TempDir()
	c := start(t, dir)
	deep := filepath.Join(dir, "a", "b", "c")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	within(t, c, generous, "folders")
	begin := time.Now()
	write(t, filepath.Join(deep, "f"), "x")
	within(t, c, generous, "file in a new folder")
	if took := time.Since(begin); took > 500*time.Millisecond {
		t.Logf("took %v: not by inotify", took)
	}
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	within(t, c, generous, "removal")
}

func TestManyChangesAreFewSignals(t *testing.T) {
	dir := t.TempDir()
	c := start(t, dir)
	for i := range 2000 {
		write(t, filepath.Join(dir, fmt.Sprint(i)), "x")
	}
	within(t, c, generous, "burst")
	n := 1
	for quiet := false; !quiet; {
		select {
		case <-c:
			n++
		case <-time.After(3 * gather):
			quiet = true
		}
	}
	if n > 20 {
		t.Errorf("%d signals for a burst", n)
	}
}

func TestAQuietUpperIsQuiet(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "f"), "x")
	c := start(t, dir)
	select {
	case <-c:
		t.Error("a signal although nothing changed")
	case <-time.After(look + 300*time.Millisecond):
	}
}

func TestWritesThroughAnOverlayAreNoticed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting overlays needs root")
	}
	up, at := t.TempDir(), t.TempDir()
	root, err := snapshot.Mount(snapshot.MountOptions{Upper: up + "/upper", Work: up + "/work", Method: snapshot.LowerFDs})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := unix.MoveMount(int(root.Fd()), "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(at, unix.MNT_DETACH)
	write(t, filepath.Join(at, "f"), "x")
	c := start(t, up+"/upper")
	f, err := os.OpenFile(filepath.Join(at, "f"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begin := time.Now()
	if _, err := f.WriteString("more"); err != nil {
		t.Fatal(err)
	}
	within(t, c, generous, "write into a file that was there")
	t.Logf("a write into an open file: %v", time.Since(begin))
	begin = time.Now()
	write(t, filepath.Join(at, "g"), "x")
	within(t, c, generous, "new file")
	t.Logf("a new file: %v", time.Since(begin))
}

func TestTheChannelClosesWithTheContextAndWithTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "upper")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Upper(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	closed(t, c)
	if c, err = Upper(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	closed(t, c)
	if _, err := Upper(t.Context(), dir); err == nil {
		t.Error("a folder that is not there is watched")
	}
}

func closed(t *testing.T, c <-chan struct{}) {
	t.Helper()
	limit := time.After(generous)
	for {
		select {
		case _, ok := <-c:
			if !ok {
				return
			}
		case <-limit:
			t.Fatal("the channel stays open")
		}
	}
}

// watches counts the inotify watches of this process.
func watches(t *testing.T) (n int) {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range infos {
		b, _ := os.ReadFile(p) // some are closed by now
		n += strings.Count(string(b), "inotify wd:")
	}
	return n
}

func TestWatchesGoWithTheirFolders(t *testing.T) {
	dir := t.TempDir()
	before := watches(t)
	c := start(t, dir)
	for i := range 200 {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for watches(t) < before+201 {
		within(t, c, generous, "folders being watched")
	}
	for i := range 200 {
		if err := os.Remove(filepath.Join(dir, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for watches(t) > before+1 {
		within(t, c, generous, "watches being given back")
	}
}
