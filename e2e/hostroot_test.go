package e2e_test

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layerlab/layerlab/imagecore/imagetest/real"
)

// hostRoot writes a root file system of this host's own programs: hostroot OUT
// PATTERN…. It holds what the patterns name, folders with all that is in them,
// and the libraries that programs among it are linked with. A pattern that
// nothing answers to is left out.
func hostRoot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: hostroot OUT PATTERN…")
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	r := &root{w: tar.NewWriter(f), has: map[string]bool{}}
	for _, pattern := range args[1:] {
		paths, err := filepath.Glob(pattern)
		ts.Check(err)
		for _, path := range paths {
			ts.Check(filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
				return errors.Join(err, r.add(path))
			}))
		}
	}
	ts.Check(r.w.Close())
}

// root is a tar under way.
type root struct {
	w   *tar.Writer
	has map[string]bool
}

// library finds paths in what ldd(1) prints.
var library = regexp.MustCompile(`(?m)(?:^\s*|=> )(/\S+) \(`)

// add puts in a path of the host, what it leads to, the folders above and the
// libraries of a program.
func (r *root) add(path string) error {
	path = filepath.Clean(path)
	if path == "/" || r.has[path] {
		return nil
	}
	r.has[path] = true
	if err := r.add(filepath.Dir(path)); err != nil {
		return err
	}
	// Where the folder is a link, as /bin is, the file goes where that leads.
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return err
	}
	if at := filepath.Join(dir, filepath.Base(path)); at != path {
		return r.add(at)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name = strings.TrimPrefix(path, "/")
	if info.IsDir() {
		h.Name += "/"
	}
	if err := r.w.WriteHeader(h); err != nil {
		return err
	}
	if link != "" {
		to := link
		if !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		return r.add(to)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(r.w, f); err != nil {
		return err
	}
	return r.libraries(path, info)
}

func (r *root) libraries(path string, info fs.FileInfo) error {
	if info.Mode()&0o111 == 0 && !strings.Contains(filepath.Base(path), ".so") {
		return nil
	}
	text, err := exec.Command("ldd", path).CombinedOutput()
	if err != nil {
		return nil // a script, or linked with nothing
	}
	for _, m := range library.FindAllStringSubmatch(string(text), -1) {
		if err := r.add(m[1]); err != nil {
			return err
		}
	}
	return nil
}

// corpusFile copies a file of the corpus: corpus NAME OUT.
func corpusFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: corpus NAME OUT")
	}
	dir, err := real.Dir()
	ts.Check(err)
	data, err := os.ReadFile(filepath.Join(dir, args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o644))
}

// hasCorpus says whether the files that others made are at hand.
func hasCorpus() bool {
	_, err := real.Dir()
	return err == nil
}
