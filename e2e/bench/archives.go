package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/layerlab/layerlab/imagecore/imagetest"
)

// An archive is made from a Big, which its name spells out: what was cached for
// other figures is not taken for it.
type archive struct{ imagetest.Big }

// The archives of the comparisons.
var (
	large = archive{imagetest.Big{Files: 12_000, FileSize: 110_000, Layers: 5, Whiteouts: 10}} // 1.4 GB
	deep  = archive{imagetest.Big{Files: 1_000, FileSize: 2_000, Layers: 500, Whiteouts: 5}}
)

// small is 100,000 files in 334 MB, with n whiteouts in all.
func small(n int) archive {
	return archive{imagetest.Big{Files: 100_000, FileSize: 2_500, Layers: 5, Whiteouts: (n + 2) / 4}}
}

// odd is small(n) with a whiteout beside its own name in each layer, so that the
// trees of all engines have to be compared.
func odd(n int) archive {
	a := small(n)
	a.Beside = true
	return a
}

// archives lists all that can be made.
func archives() []archive {
	return []archive{large, small(0), small(50), small(200), small(2000), odd(200), deep}
}

// name is the file's in the cache; the 2 is for what Big makes of these figures.
func (a archive) name() string {
	beside := ""
	if a.Beside {
		beside = "-beside"
	}
	return fmt.Sprintf("2-files-%d-of-%d-layers-%d-whiteouts-%d%s.tar", a.Files, a.FileSize, a.Layers, a.Whiteouts, beside)
}

// in is its path in the cache.
func (a archive) in(cache string) string { return filepath.Join(cache, a.name()) }

// archiveReady makes an archive that is not there yet, in a process of its own:
// what this one has used counts as the memory of those that it starts. It then
// reads the file, so that it is in the page cache.
func archiveReady(ctx context.Context, cache string, a archive) error {
	path := a.in(cache)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, self, "make", path)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("make %s: %w", path, err)
		}
	} else if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// makeArchive writes the archive that path names.
func makeArchive(path string) error {
	for _, a := range archives() {
		if a.name() != filepath.Base(path) {
			continue
		}
		f, err := os.CreateTemp(filepath.Dir(path), "making-")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name()) // where it was not renamed
		if _, err := a.WriteTo(f); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
		return os.Rename(f.Name(), path)
	}
	return fmt.Errorf("no such archive: %s", path)
}

// floor does what no program that looks at every byte can do without.
func floor(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sink, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer sink.Close()
	h, buf := sha256.New(), make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if _, werr := sink.Write(buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			_, err = fmt.Printf("%x\n", h.Sum(nil))
			return err
		}
		if err != nil {
			return err
		}
	}
}
