// Package real finds the real archives that tests read: those below
// LAYERLAB_CORPUS, else below ../shared/images beside the repository. None of
// them is in it.
package real

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Dir returns the folder of the archives, for the tests of any package: they run
// in its folder. The error says how to name one where there is none.
func Dir() (string, error) {
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		root := "."
		for range 8 {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Join("..", root)
		}
		dir = filepath.Join(root, "..", "shared", "images")
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		return "", fmt.Errorf("no corpus of real archives: set LAYERLAB_CORPUS (%w)", err)
	}
	return dir, nil
}

// Files returns the names of all archives below dir, with slashes, sorted. What
// describes them is none.
func Files(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains([]string{".md", ".json", ".py"}, filepath.Ext(p)) {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	slices.Sort(names)
	return names, err
}

// Seeds returns the archives of at most so many bytes, for a fuzzer to begin
// with; none where there is no corpus.
func Seeds(most int64) ([][]byte, error) {
	dir, err := Dir()
	if err != nil {
		return nil, nil
	}
	names, err := Files(dir)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, name := range names {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil || info.Size() > most {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}
