package e2e_test

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// measureEnv has the test program run its arguments and say what they took. A
// program inherits the peak of who started it until it has one of its own, and
// the tests' is higher than what is allowed here.
const measureEnv = "LAYERLAB_E2E_MEASURE"

// used is what a process took.
type used struct {
	Peak int64  // bytes of memory at once
	Exit int    // code
	Said string // on standard error
}

func measured() int {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	var said strings.Builder
	cmd.Stderr = &said
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 1
	}
	if json.NewEncoder(os.Stdout).Encode(used{usage.Maxrss << 10, cmd.ProcessState.ExitCode(), said.String()}) != nil {
		return 1
	}
	return 0
}

func measure(t *testing.T, args ...string) used {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), measureEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var u used
	if err := json.Unmarshal(out, &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// entries writes a root file system within gzip of n files, as each makes them.
func entries(t *testing.T, n int, each func(i int, h *tar.Header)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.tar.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buffered := bufio.NewWriter(f)
	z, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for i := range n {
		h := &tar.Header{Name: fmt.Sprintf("usr/share/package-%04d/part-%02d/file-%07d.dat", i/1000, i/100%10, i), Typeflag: tar.TypeReg, Mode: 0o644}
		if each != nil {
			each(i, h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{w, z} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := buffered.Flush(); err != nil {
		t.Fatal(err)
	}
	return path
}

// allowed is the promise: 64 MiB, and 700 bytes an entry.
func allowed(entries int) int64 { return 64<<20 + 700*int64(entries) }

// TestMemoryIsBoundedByTheEntries reads images with a hundred thousand entries
// of several kinds, and with LAYERLAB_ENTRIES of the plain kind.
func TestMemoryIsBoundedByTheEntries(t *testing.T) {
	long := strings.Repeat("a-long-name-", 14)
	kinds := []struct {
		name    string
		entries int
		each    func(i int, h *tar.Header)
	}{
		{"plain", 100_000, nil},
		{"names of 200 bytes", 100_000, func(i int, h *tar.Header) { h.Name = fmt.Sprintf("usr/share/%04d/%s%07d", i/100, long, i) }},
		{"an attribute each", 100_000, func(_ int, h *tar.Header) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.security.selinux": "system_u:object_r:usr_t:s0"}
		}},
		{"an attribute of its own each", 100_000, func(i int, h *tar.Header) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.security.ima": fmt.Sprintf("%032d", i)}
		}},
		{"odd names, so that the trees of all engines are made", 100_000, func(_ int, h *tar.Header) {
			h.Name = strings.Replace(h.Name, "/part", "//part", 1)
		}},
		{"hard links", 100_000, func(i int, h *tar.Header) {
			if i > 0 {
				h.Typeflag, h.Linkname = tar.TypeLink, "usr/share/package-0000/part-00/file-0000000.dat"
			}
		}},
	}
	if n := count(t, "LAYERLAB_ENTRIES", 0); n > 0 {
		kinds = append(kinds, kinds[0])
		kinds[len(kinds)-1].entries = n
	}
	for _, k := range kinds {
		u := measure(t, filepath.Join(bin, "layerlab"), "inspect", entries(t, k.entries, k.each))
		most := allowed(k.entries)
		t.Logf("%d entries, %s: %d MB of %d", k.entries, k.name, u.Peak>>20, most>>20)
		if u.Exit != 0 || u.Peak > most {
			t.Errorf("%d entries, %s: %d bytes of %d, exit %d, %s", k.entries, k.name, u.Peak, most, u.Exit, u.Said)
		}
	}
}

// TestMemoryBombsAreRefused gives archives whose few entries or documents would
// take hundreds of megabytes and more.
func TestMemoryBombsAreRefused(t *testing.T) {
	document := func(name, text string) string {
		path := filepath.Join(t.TempDir(), "image.tar")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w := tar.NewWriter(f)
		for _, d := range [][2]string{{"manifest.json", `[{"Config":"c.json","Layers":[]}]`}, {"c.json", `{"os":"linux"}`}} {
			if d[0] == name {
				d[1] = text
			}
			if err := w.WriteHeader(&tar.Header{Name: d[0], Size: int64(len(d[1])), Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, d[1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const most = 16<<20 - 200
	for _, c := range []struct {
		name, says string
		archive    string
	}{
		{"names of 3,700 bytes", "names, link targets", entries(t, 20_000, func(i int, h *tar.Header) {
			h.Name = fmt.Sprintf("%s%07d", strings.Repeat(strings.Repeat("d", 240)+"/", 15), i)
		})},
		{"attributes of 60,000 bytes", "names, link targets", entries(t, 3000, func(i int, h *tar.Header) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": strings.Repeat(strconv.Itoa(i%10), 60_000)}
		})},
		{"200 attributes each", "names, link targets", entries(t, 8000, func(_ int, h *tar.Header) {
			h.PAXRecords = map[string]string{}
			for k := range 200 {
				h.PAXRecords[fmt.Sprint("SCHILY.xattr.user.", k)] = "v"
			}
		})},
		{"a manifest of images", "more parts", document("manifest.json", "["+strings.Repeat("{},", most/3)+"{}]")},
		{"a history of steps", "more parts", document("c.json", `{"os":"linux","history":[`+strings.Repeat("{},", most/3-20)+"{}]}")},
		{"an environment", "more parts", document("c.json", `{"os":"linux","config":{"Env":[`+strings.Repeat(`"",`, most/3-20)+`""]}}`)},
	} {
		u := measure(t, filepath.Join(bin, "layerlab"), "inspect", c.archive)
		t.Logf("%s: %d MB", c.name, u.Peak>>20)
		if u.Exit != 3 || !strings.Contains(u.Said, c.says) || u.Peak > allowed(0) {
			t.Errorf("%s: %d bytes of %d, exit %d, %s", c.name, u.Peak, allowed(0), u.Exit, u.Said)
		}
	}
}
