package archive

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest/real"
)

var update = flag.Bool("update", false, "write the golden files anew")

// corpus returns the folder of real archives, or skips.
func corpus(t testing.TB) string {
	dir, err := real.Dir()
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// corpusFiles lists the archives of the corpus, sorted.
func corpusFiles(t testing.TB, dir string) []string {
	names, err := real.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// counts are what the corpus's README, written by other tools, says about a file.
type counts struct {
	layers, entries, whiteouts, opaque, hardlinks, symlinks int
}

func count(r *imagecore.Report) (c counts) {
	for _, img := range r.Images {
		for _, l := range img.Layers {
			if !l.Present {
				continue
			}
			c.layers++
			c.entries += len(l.Entries)
			for _, e := range l.Entries {
				base := e.Name[strings.LastIndexByte(e.Name, '/')+1:]
				switch {
				case base == ".wh..wh..opq":
					c.opaque++
				case strings.HasPrefix(base, ".wh."):
					c.whiteouts++
				case e.Kind == imagecore.Hardlink:
					c.hardlinks++
				case e.Kind == imagecore.Symlink:
					c.symlinks++
				}
			}
		}
	}
	return c
}

// line is what we make of one file.
func line(name string, a *Archive, err error) string {
	if err != nil {
		return name + "\trefused: " + err.Error()
	}
	r := a.Report()
	c := count(r)
	var warnings []string
	for _, w := range r.Warnings {
		if n := len(warnings); n == 0 || warnings[n-1] != w.Code {
			warnings = append(warnings, w.Code)
		}
	}
	s := fmt.Sprintf("%s\t%s %s: %d images %d layers %d entries %d symlinks %d hard links %d whiteouts %d opaque",
		name, r.Source.Format, r.Source.Compression, len(r.Images), c.layers, c.entries, c.symlinks, c.hardlinks, c.whiteouts, c.opaque)
	for _, img := range r.Images {
		s += " | " + img.Platform + " " + strings.Join(img.Refs, ",")
	}
	if len(warnings) > 0 {
		s += " | " + strings.Join(warnings, " ")
	}
	return s
}

// TestCorpusIsReadOrRefused opens every real archive: what comes of each is a
// line of testdata/corpus.txt, and errors say what and where.
func TestCorpusIsReadOrRefused(t *testing.T) {
	dir := corpus(t)
	var got strings.Builder
	read, refused := 0, 0
	for _, name := range corpusFiles(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		a, err := Open(bytes.NewReader(b), int64(len(b)), Options{})
		if err == nil {
			read++
			a.Close()
		} else {
			refused++
			var ie *imagecore.Error
			if !errors.As(err, &ie) || ie.Code == "" || ie.Message == "" {
				t.Errorf("%s: an error without a code: %v", name, err)
			}
		}
		fmt.Fprintln(&got, line(name, a, err))
	}
	t.Logf("%d files: %d read, %d refused", read+refused, read, refused)
	golden(t, "corpus.txt", got.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got), see -update:\n%s", path, diff)
	}
}

// TestCorpusCounts holds our numbers against those of the corpus's README,
// which were found by other programs.
func TestCorpusCounts(t *testing.T) {
	dir := corpus(t)
	said := readme(t, dir)
	compared := 0
	for _, name := range corpusFiles(t, dir) {
		text, ok := said[name]
		if !ok {
			continue
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		info, _ := f.Stat()
		a, err := Open(f, info.Size(), Options{})
		if err != nil {
			f.Close()
			continue
		}
		got := count(a.Report())
		want := got
		for what, to := range map[string]*int{
			`entries`: &want.entries, `whiteouts`: &want.whiteouts, `opaque markers`: &want.opaque,
			`hard links`: &want.hardlinks, `symlinks`: &want.symlinks, `layer\(s\) (?:none|gzip|zstd)`: &want.layers,
		} {
			if m := regexp.MustCompile(`(?:^|; )(\d+) ` + what).FindStringSubmatch(text); m != nil {
				*to, _ = strconv.Atoi(m[1])
			}
		}
		compared++
		if reason, ok := readmeDiffers[name]; ok {
			if got == want {
				t.Errorf("%s agrees with the README again; it was expected to differ: %s", name, reason)
			}
			continue
		}
		if got != want {
			t.Errorf("%s: got %+v, the README has %+v (%s)", name, got, want, text)
		}
		f.Close()
	}
	t.Logf("%d files compared", compared)
	if compared < 100 {
		t.Errorf("only %d files compared", compared)
	}
}

// readmeDiffers are the files where the README's program saw less.
var readmeDiffers = map[string]string{
	"oci/ggcr-layout-test_index.tar": "one manifest's media type is that of a descriptor; by its content it is an image",
}

// readme returns the column "what is in it" of each file.
func readme(t *testing.T, dir string) map[string]string {
	f, err := os.Open(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	said := map[string]string{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		if fields := strings.Split(s.Text(), " | "); len(fields) >= 6 && strings.HasPrefix(fields[0], "| ") {
			said[strings.TrimPrefix(fields[0], "| ")] = fields[5]
		}
	}
	return said
}
