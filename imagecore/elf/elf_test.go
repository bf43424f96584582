package elf_test

import (
	"bytes"
	"debug/buildinfo"
	stdelf "debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/elf"
)

// system lists the programs and libraries of this machine that are looked at.
func system(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"/usr/bin/*", "/usr/sbin/*", "/usr/lib/*/lib*.so.*", "/usr/local/go/bin/*", "/usr/local/go/pkg/tool/*/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found[:min(len(found), 150)]...)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append(out, self)
}

func read(t testing.TB, name string) (*elf.Binary, *os.File, error) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, err := elf.Read(f, info.Size())
	return b, f, err
}

// TestTheStandardLibrarySaysTheSame looks at this machine's own programs, and
// at the test itself, which is always there.
func TestTheStandardLibrarySaysTheSame(t *testing.T) {
	seen, withGo := 0, 0
	for _, name := range system(t) {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		got, f, err := read(t, name)
		want, wantErr := stdelf.NewFile(f)
		if wantErr != nil {
			if err == nil {
				t.Errorf("%s: read, while debug/elf says %v", name, wantErr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seen++
		needed, err := want.ImportedLibraries()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, l := range got.Needed {
			names = append(names, l.Name)
		}
		if !slices.Equal(names, needed) {
			t.Errorf("%s needs %v, want %v", name, names, needed)
		}
		runpath, err := want.DynString(stdelf.DT_RUNPATH)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got.RunPath, ":") != strings.Join(runpath, ":") {
			t.Errorf("%s: runpath %v, want %v", name, got.RunPath, runpath)
		}
		bits := map[stdelf.Class]int{stdelf.ELFCLASS32: 32, stdelf.ELFCLASS64: 64}[want.Class]
		if got.Bits != bits || got.Parts != len(want.Sections)-1 || got.Stripped != (want.Section(".symtab") == nil) {
			t.Errorf("%s: %d bits, %d parts, stripped %v", name, got.Bits, got.Parts, got.Stripped)
		}
		for _, s := range got.Sections[:min(5, len(got.Sections))] {
			if w := want.Section(s.Name); w == nil || w.FileSize != uint64(s.Size) && w.Size != uint64(s.Size) {
				t.Errorf("%s: section %+v", name, s)
			}
		}
		info2, err := buildinfo.ReadFile(name)
		if (err == nil) != (got.Go != nil) {
			t.Errorf("%s: Go %+v, while debug/buildinfo says %v", name, got.Go, err)
			continue
		}
		if err != nil {
			continue
		}
		withGo++
		if got.Go.Version != info2.GoVersion || got.Go.Path != info2.Path || len(got.Go.Build) != len(info2.Settings) {
			t.Errorf("%s: %+v, want %+v", name, got.Go, info2)
		}
		deps := got.Go.Modules
		if info2.Main.Path != "" {
			if deps[0].Path != info2.Main.Path || deps[0].Version != info2.Main.Version {
				t.Errorf("%s: main module %+v", name, deps[0])
			}
			deps = deps[1:]
		}
		for i, d := range info2.Deps {
			if deps[i].Path != d.Path || deps[i].Version != d.Version {
				t.Errorf("%s: module %+v, want %+v", name, deps[i], d)
			}
		}
	}
	t.Logf("%d files, %d by Go", seen, withGo)
	if seen == 0 || withGo == 0 {
		t.Error("nothing was compared, not even this test")
	}
}

func code(err error) string {
	var e *imagecore.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestWhatIsNoELFFileIsRefused(t *testing.T) {
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"nothing":       {nil, "not-elf"},
		"text":          {bytes.Repeat([]byte("text"), 40), "not-elf"},
		"four bytes":    {[]byte("\x7fELF"), "not-elf"},
		"half a header": {head[:40], "elf-malformed"},
		"no class":      {append([]byte("\x7fELF\x07\x01"), head[6:]...), "elf-malformed"},
		"no order":      {append([]byte("\x7fELF\x01\x07"), head[6:]...), "elf-malformed"},
	} {
		if _, err := elf.Read(bytes.NewReader(c.bytes), int64(len(c.bytes))); code(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := elf.Read(bytes.NewReader(head), 64); err != nil || got.Type != "type 0" || got.Machine != "machine 0" {
		t.Errorf("a bare header: %+v %v", got, err)
	}
}

// counting counts what is read.
type counting struct {
	io.ReaderAt
	bytes int64
	calls int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += int64(len(p))
	c.calls++
	return c.ReaderAt.ReadAt(p, off)
}

// FuzzRead gives bytes that a file could begin with and claims any size: what
// is read and made of them stays small.
func FuzzRead(f *testing.F) {
	f.Add(tiny{
		machine: amd64, interp: "/lib64/ld.so", needed: []string{"libc.so", "libm.so"}, runpath: "$ORIGIN", now: true, stack: true, relro: true,
	}.bytes())
	f.Add(append(tiny{machine: arm64}.bytes(), "\xff Go buildinf:\x08\x02"+strings.Repeat("\x00", 16)+"\x04go1\x00\x00"...))
	f.Add([]byte("\x7fELF\x01\x02\x01" + strings.Repeat("\x00", 45)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, size := range []int64{int64(len(data)), 1 << 40} {
			c := &counting{ReaderAt: bytes.NewReader(data)}
			b, err := elf.Read(c, size)
			if err != nil {
				if code(err) == "" {
					t.Errorf("an error without a code: %v", err)
				}
				continue
			}
			if c.calls > 300 || c.bytes > 64<<20 || len(b.Needed) > 512 || len(b.Sections) > 200 {
				t.Errorf("%d reads of %d bytes for %d of input", c.calls, c.bytes, len(data))
			}
		}
	})
}
