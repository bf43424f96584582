//go:build linux

package file

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, n := range []int{0, 1, 4095, 4096, 4097, 100000} {
		want := bytes.Repeat([]byte{'x'}, n)
		for name, put := range map[string]func(string, []byte, uint32) error{"write": Write, "replace": Replace} {
			if err := put(path, want, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := Read(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes: %d, %v", name, n, len(got), err)
			}
		}
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the other half is left: %v", err)
	}
	if err := Set(path, "ab"); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || !strings.HasPrefix(string(got), "abxx") {
		t.Errorf("set: %.4s %v", got, err)
	}
}

func TestErrorsNameThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent")
	_, err := Read(path)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	if err := Set(path, "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
