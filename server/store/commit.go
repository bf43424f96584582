//go:build linux

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Commit is an image to be made of a stored one.
type Commit struct {
	Parent digest.Digest // "" makes an image from nothing
	// Layer is the uncompressed tar of the new layer; nil adds none.
	Layer io.Reader
	// Config is the new config document. The new layer's diffID, which only
	// the store knows, is appended to its rootfs.diff_ids; all other fields
	// stay as they are, known ones or not.
	Config []byte
	Ref    string // "" leaves the image dangling
	From   string // the id of the container whose layer it is, "" where there is none
}

// Commit stores an image made of the layers of another one and one more.
func (s *Store) Commit(ctx context.Context, c Commit) (wire.Image, error) {
	var refs []string
	if c.Ref != "" {
		name, err := Normalize(c.Ref)
		if err != nil {
			return wire.Image{}, err
		}
		refs = []string{name}
	}
	var parent record
	if c.Parent != "" {
		r, _, release, err := s.hold(c.Parent.String())
		if err != nil {
			return wire.Image{}, err
		}
		defer release()
		parent = *r
	}
	give, err := s.take(ctx)
	if err != nil {
		return wire.Image{}, err
	}
	defer give()
	got := &source{}
	defer got.drop()
	b, err := s.build(ctx, &parent, c, got)
	if err != nil {
		return wire.Image{}, errors.Join(fmt.Errorf("store the committed image: %w", diskError(err)), s.sweep())
	}
	made, err := s.enter([]*record{b.record}, map[digest.Digest][]string{b.ID: refs})
	if err != nil {
		return wire.Image{}, errors.Join(err, s.sweep())
	}
	s.behind(b, got)
	return made[0], nil
}

// build writes the new blobs, and reads the new image back as an OCI layout:
// so the layer that was just made passes every check that a foreign one does. got
// closes what was opened.
func (s *Store) build(ctx context.Context, parent *record, c Commit, got *source) (*built, error) {
	w := &writer{store: s, ctx: ctx, report: func(int64) {}}
	layers := append([]layerRecord(nil), parent.Layers...)
	config := c.Config
	if c.Layer != nil {
		l, err := w.blob(c.Layer)
		if err != nil {
			return nil, err
		}
		if config, err = appendDiffID(config, l.DiffID); err != nil {
			return nil, err
		}
		l.ChainID = chainID(parent.top(), l.DiffID)
		layers = append(layers, l)
	}
	img := &imagecore.Image{ID: digest.FromBytes(config), Config: imagecore.Blob{Raw: string(config)}}
	manifest, desc, err := manifestOf(img, layers)
	if err != nil {
		return nil, err
	}
	for _, doc := range []struct {
		digest digest.Digest
		data   []byte
	}{{desc.Digest, manifest}, {img.ID, config}} {
		if err := w.document(doc.digest, doc.data); err != nil {
			return nil, err
		}
	}

	fsys, err := s.layoutOf(&record{Manifest: desc})
	if err != nil {
		return nil, err
	}
	a, err := s.scan(ctx, fsys)
	if err != nil {
		return nil, err
	}
	got.close = append(got.close, a.Close)
	report := a.Report()
	if _, err := candidates(report, wanted{}); err != nil {
		return nil, err
	}
	merged, err := treeOf(&report.Images[0])
	if err != nil {
		return nil, err
	}
	if err := s.unpackable(merged, layers); err != nil {
		return nil, err
	}
	measure(layers, merged)
	for i := range layers {
		layers[i].CreatedBy = report.Images[0].Layers[i].CreatedBy
	}
	n := &native{Archive: a}
	if err := survey.Of(a, tree.Spec, func() error { return tick(ctx) }, n.sink()); err != nil {
		return nil, err
	}
	bin, err := n.Index(0)
	if err != nil {
		return nil, err
	}
	r, err := w.record(n.Report(), 0, desc, layers, bin)
	if err != nil {
		return nil, err
	}
	r.Parent, r.CommittedFrom = parent.ID, c.From
	return &built{r, merged, contents.Of(a, 0)}, w.flush()
}

// appendDiffID adds a layer to a config document whose other fields it keeps.
func appendDiffID(config []byte, d digest.Digest) ([]byte, error) {
	var doc, rootfs map[string]json.RawMessage
	if err := json.Unmarshal(config, &doc); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if raw := doc["rootfs"]; raw != nil {
		if err := json.Unmarshal(raw, &rootfs); err != nil {
			return nil, fmt.Errorf("config: rootfs: %w", err)
		}
	}
	if rootfs == nil {
		rootfs = map[string]json.RawMessage{"type": json.RawMessage(`"layers"`)}
	}
	var diffIDs []digest.Digest
	if raw := rootfs["diff_ids"]; raw != nil {
		if err := json.Unmarshal(raw, &diffIDs); err != nil {
			return nil, fmt.Errorf("config: diff_ids: %w", err)
		}
	}
	var err error
	if rootfs["diff_ids"], err = json.Marshal(append(diffIDs, d)); err != nil {
		return nil, err
	}
	if doc["rootfs"], err = json.Marshal(rootfs); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// fileName makes a name for a download of an image: its first name, else the
// beginning of its id, with a suffix.
func fileName(r *record, refs []string, suffix string) string {
	name := r.ID.Encoded()[:12]
	if len(refs) > 0 {
		name = filepath.Base(refs[0])
	}
	safe := []byte(name)
	for i, c := range safe {
		if c == ':' || c < ' ' || c == '"' || c == '\\' || c > '~' {
			safe[i] = '_'
		}
	}
	return string(safe) + suffix
}
