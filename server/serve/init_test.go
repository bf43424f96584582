//go:build linux

package serve

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Servers that begin at the same time share the folder of what runs.
func TestServersWriteTheProgramOfInitAtOnce(t *testing.T) {
	dir := t.TempDir()
	program := bytes.Repeat([]byte("init"), 64<<10)
	for range 20 {
		begin := make(chan struct{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				s := &server{o: Options{RunDir: dir, Runtime: program}}
				<-begin
				path, err := s.writeInit()
				if err != nil {
					t.Error(err)
					return
				}
				if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, program) {
					t.Errorf("%d bytes of %d, %v", len(have), len(program), err)
				}
			})
		}
		close(begin)
		all.Wait()
		info, err := os.Stat(filepath.Join(dir, "init"))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Fatal(info, err)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 {
			t.Fatal("what was begun stays behind:", left, err)
		}
		if err := os.Remove(filepath.Join(dir, "init")); err != nil {
			t.Fatal(err)
		}
	}
}
