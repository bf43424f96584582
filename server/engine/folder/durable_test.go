//go:build linux

package folder_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/layerlab/layerlab/server/engine/folder"
)

func TestAFileIsNewAndHasItsModeWhateverTheUmask(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "f")
	if err := folder.WriteFile(path, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode() != 0o644 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if err := folder.NewFile(path, []byte("other"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "text" {
		t.Errorf("%q %v", text, err)
	}
}

func TestSyncReachesAllAndTellsWhatItCannot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	if err := os.MkdirAll(filepath.Join(dir, "init", "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "init", "etc", "mtab")); err != nil {
		t.Fatal(err)
	}
	if err := folder.NewFile(filepath.Join(dir, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := folder.Sync(dir); err != nil {
		t.Error(err)
	}
	if err := folder.Sync(filepath.Join(dir, "no")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what is not there: %v", err)
	}
}
