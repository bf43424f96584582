package imagetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// TestHostileArchivesAreAnswered reads each with the limits of a guest, as the
// page and the sandbox do.
func TestHostileArchivesAreAnswered(t *testing.T) {
	list := append(imagetest.HostileArchives(), imagetest.Hostile{Name: "gzip-bomb", Bytes: imagetest.GzipBomb(), Kind: imagecore.ErrTooLarge})
	for _, h := range list {
		t.Run(h.Name, func(t *testing.T) {
			a, err := archive.Open(bytes.NewReader(h.Bytes), int64(len(h.Bytes)), archive.Options{Limits: imagecore.GuestLimits()})
			if err == nil && h.Late {
				err = a.Verify(context.Background(), 0, nil)
			}
			if h.Kind != nil {
				var e *imagecore.Error
				if !errors.Is(err, h.Kind) || !errors.As(err, &e) || e.Code == "" {
					t.Fatalf("%v, want %v with a code", err, h.Kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tr, err := tree.Build(a.Report().Images[0].Layers, tree.Spec)
			if err != nil {
				t.Fatal(err)
			}
			warnings := len(a.Report().Warnings) + len(tr.Warnings())
			err = pack.Flatten(io.Discard, tr.Top(), func(layer int) (io.ReaderAt, error) {
				r, _, err := a.LayerAt(0, layer)
				return r, err
			})
			if (err != nil) != (tr.Confined() != nil) {
				t.Errorf("flatten says %v, the tree %v", err, tr.Confined())
			}
			if h.Name != "link-to-outside" && warnings == 0 {
				t.Error("nothing warns")
			}
			for n := range tr.Top().All() {
				if n.Name() == ".." || n.Name() == "." || n.Name() == "" {
					t.Errorf("%q is in the tree", n.Path())
				}
			}
		})
	}
}
