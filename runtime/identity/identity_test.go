//go:build linux

package identity

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAProcessOfAnyNameIsRead calls one so that its name looks like fields.
func TestAProcessOfAnyNameIsRead(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(t.TempDir(), "a) Z 1 (")
	if err := os.Symlink(sleep, odd); err != nil {
		t.Fatal(err)
	}
	_, before, err := Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(odd, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	state, start, err := Stat(cmd.Process.Pid)
	if err != nil || state == 'Z' || start < before {
		t.Errorf("%c since %d, %v; this test since %d", state, start, err, before)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if _, _, err := Stat(cmd.Process.Pid); err == nil {
		t.Error("it has ended, and is there")
	}
	if len(Boot()) != 36 {
		t.Errorf("boot %q is no UUID", Boot())
	}
}
