//go:build linux

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Reader opens an archive that nobody vouches for. Native reads it in this
// process, others in a child process with limits. progress is told how many
// bytes of the archive are scanned. The file stays open, and the caller's,
// until the Archive is closed.
type Reader func(ctx context.Context, f io.ReaderAt, size int64, progress func(done, total int64)) (Archive, error)

// Archive is what a Reader makes of an archive. Digests are not yet verified.
// OpenBlob may be called by several goroutines.
type Archive interface {
	// Report describes the images; their layers' Entries are filled.
	Report() *imagecore.Report
	// Index is the binary index of one image through the spec lens.
	Index(image int) ([]byte, error)
	// OpenBlob gives a layer's bytes as stored.
	OpenBlob(image, layer int) (io.ReadCloser, error)
	// LayerAt gives a layer's uncompressed tar.
	LayerAt(image, layer int) (io.ReaderAt, int64, error)
	Close() error
}

// Native returns the Reader that works within this process. Layers that are
// compressed are unpacked to nameless files in spoolDir for random access.
func Native(limits imagecore.Limits, spoolDir string) Reader {
	return func(ctx context.Context, f io.ReaderAt, size int64, progress func(done, total int64)) (Archive, error) {
		n := &native{}
		var err error
		n.Archive, err = survey.Run(f, size, archive.Options{
			Limits:   limits,
			Tick:     func() error { return tick(ctx) },
			Progress: progress,
			Spool:    spooler(spoolDir),
		}, tree.Spec, n.sink())
		if err != nil {
			return nil, err
		}
		return n, nil
	}
}

func tick(ctx context.Context) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	return nil
}

// native is an archive.Archive that keeps what its survey found.
type native struct {
	*archive.Archive
	warnings []imagecore.Warning
	indexes  [][]byte
}

// Report is that of the survey: the warnings of the merged trees are in it.
func (n *native) Report() *imagecore.Report {
	report := *n.Archive.Report()
	report.Warnings = n.warnings
	return &report
}

func (n *native) Index(image int) ([]byte, error) {
	if image >= len(n.indexes) || n.indexes[image] == nil {
		return nil, fmt.Errorf("image %d has no index", image)
	}
	return n.indexes[image], nil
}

// sink takes what a survey finds.
func (n *native) sink() survey.Sink { return sink{n} }

type sink struct{ n *native }

func (s sink) Report(b []byte) error {
	var report struct {
		Warnings []imagecore.Warning `json:"warnings"`
	}
	err := json.Unmarshal(b, &report)
	s.n.warnings = report.Warnings
	return err
}

func (s sink) Index(image int, b []byte) error {
	for len(s.n.indexes) <= image {
		s.n.indexes = append(s.n.indexes, nil)
	}
	s.n.indexes[image] = b
	return nil
}

// spooler makes nameless temporary files in dir.
func spooler(dir string) func() (archive.Spool, error) {
	return func() (archive.Spool, error) {
		f, err := os.CreateTemp(dir, "spool-*")
		if err != nil {
			return nil, diskError(err)
		}
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
}
