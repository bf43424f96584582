package e2e_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// step is a command of a Dockerfile with the files that it leaves.
type step struct {
	command string
	uid     int
	dir     string
	files   int
	each    int64 // bytes of a file
}

// holes writes what is not zero and leaves the rest out, so that an archive of
// hundreds of megabytes takes a few kilobytes of the disk.
type holes struct {
	f  *os.File
	at int64
}

func (h *holes) Write(p []byte) (int, error) {
	var empty [4096]byte
	for block := range slices.Chunk(p, len(empty)) {
		if !bytes.Equal(block, empty[:len(block)]) {
			if _, err := h.f.WriteAt(block, h.at); err != nil {
				return 0, err
			}
		}
		h.at += int64(len(block))
	}
	return len(p), nil
}

// zeros is a content without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// write writes the layer's tar.
func (s step) write(out io.Writer) error {
	w := tar.NewWriter(out)
	for i := range s.files {
		h := &tar.Header{Name: fmt.Sprintf("%s/%04d", s.dir, i), Typeflag: tar.TypeReg, Mode: 0o644, Uid: s.uid, Size: s.each}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.CopyN(w, io.MultiReader(strings.NewReader(h.Name), zeros{}), s.each); err != nil {
			return err
		}
	}
	return w.Close()
}

// built writes what `docker save` gives of an image of such steps.
func built(t *testing.T, path string, steps []step) (size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := &holes{f: f}
	w := tar.NewWriter(h)
	type history struct {
		CreatedBy string `json:"created_by"`
	}
	var config struct {
		OS           string    `json:"os"`
		Architecture string    `json:"architecture"`
		History      []history `json:"history"`
		RootFS       struct {
			Type    string   `json:"type"`
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	config.OS, config.Architecture, config.RootFS.Type = "linux", "amd64", "layers"
	var layers []string
	for i, s := range steps {
		sum := sha256.New()
		if err := s.write(sum); err != nil {
			t.Fatal(err)
		}
		config.History = append(config.History, history{s.command})
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, fmt.Sprintf("sha256:%x", sum.Sum(nil)))
		layers = append(layers, fmt.Sprintf("%d/layer.tar", i))
		stored := int64(s.files)*(512+(s.each+511)/512*512) + 1024
		if err := w.WriteHeader(&tar.Header{Name: layers[i], Mode: 0o644, Size: stored}); err != nil {
			t.Fatal(err)
		}
		if err := s.write(w); err != nil {
			t.Fatal(err)
		}
	}
	for name, document := range map[string]any{
		"config.json":   config,
		"manifest.json": []map[string]any{{"Config": "config.json", "RepoTags": []string{"shop:latest"}, "Layers": layers}},
	} {
		raw, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(raw))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(h.at); err != nil {
		t.Fatal(err)
	}
	return h.at
}

// TestBothCommandsThatMadeAnImageLargerAreNamed builds two versions of an image.
// The second is 400 MB larger, of which containers see 60: a chown -R copied
// the application, and a cache was forgotten.
func TestBothCommandsThatMadeAnImageLargerAreNamed(t *testing.T) {
	const mb = 1_000_000
	first := []step{
		{"ADD base", 0, "usr/lib", 20, mb},
		{"COPY app /srv/app", 0, "srv/app", 340, mb},
	}
	second := append(first[:2:2],
		step{"RUN chown -R app /srv/app", 1000, "srv/app", 340, mb},
		step{"RUN apt-get update && apt-get install curl", 0, "var/cache/apt", 3, 20 * mb},
	)
	old, grown := filepath.Join(t.TempDir(), "old.tar"), filepath.Join(t.TempDir(), "new.tar")
	before, after := built(t, old, first), built(t, grown, second)
	if more := (after - before) / mb; more != 400 {
		t.Fatalf("the second version is %d MB larger", more)
	}
	out, err := exec.Command(filepath.Join(bin, "layerlab"), "diff", "--summary", old, grown).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%d and %d MB\n%s", before/mb, after/mb, out)
	for _, line := range []string{
		"total|  +60 MB      -0 B    A 3    C 340  D 0    +400 MB     -0 B",
		"by command|  +0 B        -0 B    A 0    C 340  D 0    +340 MB     -0 B    RUN chown -R app /srv/app|  +60 MB      -0 B    A 3    C 0    D 0    +60 MB      -0 B    RUN apt-get update && apt-get install curl|",
		"by folder|  +0 B        -0 B    A 0    C 340  D 0    +340 MB     -0 B    srv/app|",
	} {
		if !strings.Contains(spaces(string(out)), spaces(strings.ReplaceAll(line, "|", "\n"))) {
			t.Errorf("no line\n%s", line)
		}
	}
	sum, err := exec.Command(filepath.Join(bin, "layerlab"), "verify", grown).CombinedOutput()
	if err != nil {
		t.Errorf("the archive is not whole: %v: %s", err, sum)
	}
}

// spaces makes one of many.
func spaces(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
