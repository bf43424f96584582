//go:build linux

package reexec

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is the program that runs itself again, too.
func TestMain(m *testing.M) {
	spare := os.Getenv("REEXEC_TEST")
	if spare == "" {
		os.Exit(m.Run())
	}
	if err := Sealed(spare); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	exe, err := os.Readlink(self)
	fmt.Println(exe, err, os.Args[1:])
	os.Exit(0)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it mounts an overlay")
	}
}

// TestARunningProgramIsReplaced: by the overlay where there can be one, else by
// a copy; and once only.
func TestARunningProgramIsReplaced(t *testing.T) {
	needRoot(t)
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for spare, want := range map[string]string{
		t.TempDir():         "/" + filepath.Base(path),
		filepath.Dir(path):  "/memfd:" + filepath.Base(path) + " (deleted)",
		"/there/is/no/such": "/memfd:" + filepath.Base(path) + " (deleted)",
	} {
		cmd := exec.Command(path, "a", "b c")
		cmd.Env = append(os.Environ(), "REEXEC_TEST="+spare)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want+" <nil> [a b c]\n" {
			t.Errorf("%s: %v: %q, want %s", spare, err, out, want)
		}
	}
}

// TestAProgramThatIsGoneIsCopied: after an upgrade the folder holds another file,
// or none, and what runs goes on as it is.
func TestAProgramThatIsGoneIsCopied(t *testing.T) {
	needRoot(t)
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	// A shell removes the file between its own start and the program's end.
	cmd := exec.Command("/bin/sh", "-c", `exec 3<"$0"; rm "$0"; exec /proc/self/fd/3 x`, path)
	cmd.Env = append(os.Environ(), "REEXEC_TEST="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "/memfd:") {
		t.Errorf("%v: %q", err, out)
	}
}

// TestTheOverlayStaysReadOnly tries what root with all rights in a mount
// namespace of its own could: clear the mount's flag, and the file system's.
func TestTheOverlayStaysReadOnly(t *testing.T) {
	needRoot(t)
	dirs := [2]int{}
	for i := range dirs {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, "program"), []byte("x"), 0o755); err != nil {
			t.Fatal(err)
		}
		fd, err := folder(path)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		dirs[i] = fd
	}
	mount, err := overlay(dirs[0], dirs[1])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(mount)
	write := func() error {
		fd, err := unix.Openat(mount, "program", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	if err := write(); err != unix.EROFS {
		t.Errorf("open for writing: %v", err)
	}
	if err := unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
		t.Errorf("the flag of the mount is somebody else's to clear, but: %v", err)
	}
	if err := write(); err != unix.EROFS {
		t.Errorf("open for writing without the mount's flag: %v", err)
	}
	fs, err := unix.Fspick(mount, "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fs)
	err = errors.Join(unix.FsconfigSetFlag(fs, "rw"), unix.FsconfigReconfigure(fs))
	if !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EINVAL) {
		t.Errorf("make the file system writable: %v", err)
	}
	if err := write(); err != unix.EROFS {
		t.Errorf("open for writing after that: %v", err)
	}
}
