package survey

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/index"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// results are what a job gave.
type results struct {
	report  []byte
	indexes [][]byte
}

func (r *results) Report(b []byte) error {
	if r.report != nil || r.indexes != nil {
		return errors.New("the report does not come first, or twice")
	}
	r.report = b
	return nil
}

func (r *results) Index(image int, b []byte) error {
	if image != len(r.indexes) {
		return errors.New("indexes out of order")
	}
	r.indexes = append(r.indexes, b)
	return nil
}

// corpus returns all archives below a folder of the corpus, or skips.
func corpus(t testing.TB, folders ...string) map[string][]byte {
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "images")
	}
	files := map[string][]byte{}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Contains(d.Name(), ".tar") {
				files[filepath.Join(folder, d.Name())], err = os.ReadFile(p)
			}
			return err
		})
		if err != nil {
			t.Skipf("no corpus of real archives: set LAYERLAB_CORPUS (%v)", err)
		}
	}
	t.Logf("%d archives", len(files))
	return files
}

func TestResultsDoNotDependOnHowTheArchiveIsRead(t *testing.T) {
	for name, b := range corpus(t, "docker-save", "docker-save-hybrid", "oci", "engines", "docker-export") {
		run := func(o archive.Options) (results, error) {
			var r results
			a, err := Run(bytes.NewReader(b), int64(len(b)), o, tree.Spec, &r)
			if err == nil {
				a.Close()
			}
			return r, err
		}
		native, err := run(archive.Options{})
		if err != nil {
			var ie *imagecore.Error
			if !errors.As(err, &ie) {
				t.Errorf("%s: an error without a code: %v", name, err)
			}
			continue
		}
		browser, err := run(archive.Options{Access: tarscan.Browser(), Limits: imagecore.GuestLimits(), Tick: func() error { return nil }, Progress: func(int64, int64) {}})
		if err != nil || !bytes.Equal(native.report, browser.report) || len(native.indexes) != len(browser.indexes) {
			t.Fatalf("%s: other results with another access: %v", name, err)
		}
		for i := range native.indexes {
			if !bytes.Equal(native.indexes[i], browser.indexes[i]) {
				t.Errorf("%s: another index of image %d with another access", name, i)
			}
		}
		var report imagecore.Report
		if err := json.Unmarshal(native.report, &report); err != nil {
			t.Fatal(err)
		}
		if len(report.Images) != len(native.indexes) {
			t.Errorf("%s: %d images, %d indexes", name, len(report.Images), len(native.indexes))
		}
		for i, b := range native.indexes {
			idx, err := index.Decode(b)
			if err != nil {
				t.Errorf("%s: index of image %d: %v", name, i, err)
			} else if idx.Head.Image.ID != report.Images[i].ID {
				t.Errorf("%s: the index is of another image", name)
			}
		}
	}
}

func TestCompressedArchivesGiveTheSameTrees(t *testing.T) {
	for name, b := range corpus(t, "docker-save", "oci", "engines") {
		if strings.HasSuffix(name, "z") {
			continue
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		w.Write(b)
		w.Close()
		var bare, gz results
		a1, err1 := Run(bytes.NewReader(b), int64(len(b)), archive.Options{}, tree.Spec, &bare)
		a2, err2 := Run(bytes.NewReader(packed.Bytes()), int64(packed.Len()), archive.Options{}, tree.Spec, &gz)
		if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
			t.Errorf("%s: bare: %v; within gzip: %v", name, err1, err2)
			continue
		}
		if err1 != nil {
			continue
		}
		if len(bare.indexes) != len(gz.indexes) {
			t.Errorf("%s: %d and %d images", name, len(bare.indexes), len(gz.indexes))
			continue
		}
		for i := range bare.indexes {
			if !bytes.Equal(bare.indexes[i], gz.indexes[i]) {
				t.Errorf("%s: another index of image %d within gzip", name, i)
			}
		}
		a1.Close()
		a2.Close()
	}
}

func TestCancelEndsTheJob(t *testing.T) {
	for name, b := range corpus(t, "docker-save") {
		stop := errors.New("stop")
		_, err := Run(bytes.NewReader(b), int64(len(b)), archive.Options{Tick: func() error { return stop }}, tree.Spec, &results{})
		var ie *imagecore.Error
		if err != stop && !(errors.As(err, &ie) && !errors.Is(err, stop)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
