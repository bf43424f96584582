// Package embedded holds what the binary carries besides its own code: the
// helpers of containers, the WebAssembly module and the sample images. `make build`
// puts them here before it compiles; a binary that was built without them
// looks for them beside itself, in the folder of its executable.
package embedded

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/imagecore"
)

//go:embed all:*
var files embed.FS

// Names of what may be there.
const (
	helperName = "layerlab-helper"
	egressName = "layerlab-egress"
	moduleName = "imagecore.wasm"
)

// Helper returns the executable of layerlab-helper.
func Helper() ([]byte, error) { return read(helperName) }

// Egress returns the executable of layerlab-egress.
func Egress() ([]byte, error) { return read(egressName) }

// Module returns imagecore.wasm.
func Module() ([]byte, error) { return read(moduleName) }

// Sample is an image that comes with layerlab, as a docker save archive.
type Sample struct {
	Name string // of the file, without suffixes
	Tar  []byte // the archive, uncompressed
}

// Samples returns the sample images, the one to begin with first.
func Samples() ([]Sample, error) {
	var samples []Sample
	for _, name := range []string{"sample", "other"} {
		packed, err := read(name + ".tar.gz")
		if err != nil {
			return nil, err
		}
		zr, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, fmt.Errorf("read the embedded sample %s: %w", name, err)
		}
		tar, err := io.ReadAll(zr)
		if err != nil {
			return nil, fmt.Errorf("read the embedded sample %s: %w", name, err)
		}
		samples = append(samples, Sample{Name: name, Tar: tar})
	}
	return samples, nil
}

// read returns the embedded file, else the one beside the executable.
func read(name string) ([]byte, error) {
	b, err := files.ReadFile(name)
	if err == nil {
		return b, nil
	}
	if exe, xerr := os.Executable(); xerr == nil {
		for _, dir := range []string{".", "samples"} {
			if b, err := os.ReadFile(filepath.Join(filepath.Dir(exe), dir, name)); err == nil {
				return b, nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return nil, imagecore.NewError(imagecore.ErrHost, "not-built",
		"this binary was built without "+name+": build it with make build", "name", name)
}
