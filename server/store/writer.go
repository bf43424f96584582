//go:build linux

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/writeback"
	"github.com/layerlab/layerlab/server/store/receive"
)

// parallel is how many layers are hashed and written at a time: one core hashes
// while another copies.
const parallel = 2

// writer makes the blobs and layers of images durable. It is used by whoever
// has the store's turn.
type writer struct {
	store *Store
	ctx   context.Context  // of the one call that the writer serves
	from  *receive.Archive // that the images come in, nil where there is none

	mu     sync.Mutex
	report func(done int64) // called with mu held
	done   int64            // bytes of blobs
}

// image stores one image of an archive and returns what meta.db shall know.
func (w *writer) image(a Archive, report *imagecore.Report, i int) (*built, error) {
	img := &report.Images[i]
	if got := digest.FromString(img.Config.Raw); got != img.ID {
		return nil, mismatch("config", img.ID, got)
	}
	layers, merged, err := w.layers(a, img, i)
	if err != nil {
		return nil, err
	}
	manifest, desc, err := manifestOf(img, layers)
	if err != nil {
		return nil, err
	}
	if err := w.document(desc.Digest, manifest); err != nil {
		return nil, err
	}
	if err := w.document(img.ID, []byte(img.Config.Raw)); err != nil {
		return nil, err
	}
	bin, err := a.Index(i)
	if err != nil {
		return nil, err
	}
	r, err := w.record(report, i, desc, layers, bin)
	if err != nil {
		return nil, err
	}
	return &built{r, merged, contents.Of(a, i)}, nil
}

// record puts together what is known, and keeps the index beside the topmost
// layer.
func (w *writer) record(report *imagecore.Report, i int, manifest v1.Descriptor, layers []layerRecord, bin []byte) (*record, error) {
	img := &report.Images[i]
	head, rest, err := splitIndex(bin)
	if err != nil {
		return nil, err
	}
	var shown struct {
		Warnings []imagecore.Warning `json:"warnings"`
	}
	if err := json.Unmarshal(head, &shown); err != nil {
		return nil, fmt.Errorf("binary index: head: %w", err)
	}
	if len(report.Images) == 1 {
		shown.Warnings = report.Warnings // those of the archive as a whole too
	}
	if shown.Warnings == nil {
		shown.Warnings = []imagecore.Warning{}
	}
	one, err := oneReport(report, i, shown.Warnings)
	if err != nil {
		return nil, err
	}
	spec, err := img.Config.Spec()
	if err != nil {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-json", "config: "+err.Error())
	}
	r := &record{
		ID: img.ID, Manifest: manifest, Platform: img.Platform,
		Stored: w.store.o.Now().UTC(), Layers: layers, Report: one, Head: bytes.Clone(head),
	}
	if spec.Created != nil {
		r.Created = spec.Created.UTC()
	}
	if len(layers) == 0 {
		r.Body = bytes.Clone(rest)
		return r, nil
	}
	name := indexFile(r.top())
	if ok, err := exists(w.store.root, name); err != nil || ok {
		return r, err
	}
	return r, replace(w.store.disk, "layers", filepath.Base(name), rest)
}

// layers stores the blobs of an image, a few at a time: one waits for the disk
// while another computes. It returns the merged tree, too, whose layers can be
// unpacked.
func (w *writer) layers(a Archive, img *imagecore.Image, image int) ([]layerRecord, *tree.Tree, error) {
	layers, broken := make([]layerRecord, len(img.Layers)), make([]error, len(img.Layers))
	var work errgroup.Group
	work.SetLimit(parallel)
	for l := range img.Layers {
		work.Go(func() error {
			layers[l], broken[l] = w.layer(a, img, image, l)
			return nil
		})
	}
	merged, err := treeOf(img) // meanwhile
	work.Wait()
	var chain digest.Digest
	for l := range layers {
		if broken[l] != nil { // the lowest is told, whichever was read first
			return nil, nil, fmt.Errorf("store layer %d: %w", l, broken[l])
		}
		chain = chainID(chain, layers[l].DiffID)
		layers[l].ChainID = chain
	}
	if err != nil {
		return nil, nil, err
	}
	measure(layers, merged)
	return layers, merged, w.store.unpackable(merged, layers)
}

// layer stores a layer's blob and verifies it on the way: the digest of the
// bytes as stored and that of the tar within, each byte hashed once.
func (w *writer) layer(a Archive, img *imagecore.Image, image, layer int) (layerRecord, error) {
	claim := &img.Layers[layer]
	read := func(take func(io.Reader) (layerRecord, error)) (layerRecord, error) {
		blob, err := a.OpenBlob(image, layer)
		if err != nil {
			return layerRecord{}, err
		}
		defer blob.Close()
		return take(blob)
	}
	want := claim.Digest
	if want == "" {
		want = claim.DiffID
	}
	got, done, err := w.received(a, image, layer)
	if err == nil && !done {
		// What is there already is only verified: the entries that the tree is made
		// of come from these bytes, not from those that we have.
		var there bool
		if there, err = exists(w.store.root, blobFile(want)); err == nil && there {
			got, err = read(func(src io.Reader) (layerRecord, error) { return w.digest(src, io.Discard) })
			there = got.Blob == want
		}
		if err == nil && !there {
			got, err = read(w.blob)
		}
	}
	if err == nil && got.DiffID == "" {
		err = w.tar(a, image, layer, &got)
	}
	if err != nil {
		return layerRecord{}, err
	}
	if claim.Digest != "" && got.Blob != claim.Digest {
		return layerRecord{}, mismatch("layer", claim.Digest, got.Blob).In(layer)
	}
	if claim.DiffID != got.DiffID {
		return layerRecord{}, mismatch("layer", claim.DiffID, got.DiffID).In(layer)
	}
	got.CreatedBy = claim.CreatedBy
	return got, nil
}

// received stores a layer whose bytes came as a file of their own, and were hashed
// then: the file becomes the blob. done is false where they came otherwise.
func (w *writer) received(a Archive, image, layer int) (l layerRecord, done bool, err error) {
	f, err := w.file(a, image, layer)
	if f == nil || err != nil {
		return l, false, err
	}
	blob := blobFile(f.Digest)
	done, err = exists(w.store.root, blob)
	if err == nil && !done {
		if done, err = f.Move(func(name string) error { return w.store.disk.Rename(name, blob) }); err == nil && !done {
			done, err = exists(w.store.root, blob) // of another image of the archive
		}
	}
	if err != nil || !done {
		return l, false, diskError(err)
	}
	w.count(int(f.Size))
	return recordOf(f.Digest, f.Size, f.Head), true, nil
}

// file finds the file of its own that a layer came as, nil for none.
func (w *writer) file(a Archive, image, layer int) (*receive.File, error) {
	if w.from == nil {
		return nil, nil
	}
	blob, err := a.OpenBlob(image, layer)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	if f := w.from.Find(blob); f != nil {
		return f, nil
	}
	tar, _, err := a.LayerAt(image, layer)
	if err != nil {
		return nil, err
	}
	return w.from.Find(tar), nil
}

// blob writes bytes under their digest and says what they are.
func (w *writer) blob(src io.Reader) (layerRecord, error) {
	s := w.store
	temp := "blobs/sha256/" + partial + suffix()
	f, err := s.disk.Create(temp)
	if err != nil {
		return layerRecord{}, diskError(err)
	}
	got, err := w.digest(src, &eager{File: f})
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		var there bool
		if there, err = exists(s.root, blobFile(got.Blob)); err == nil && !there {
			err = s.disk.Rename(temp, blobFile(got.Blob))
			return got, diskError(err)
		}
	}
	return got, diskError(errors.Join(err, s.disk.RemoveAll(temp)))
}

// eager has the disk write what it is given, so that little is left to be synced
// at the end.
type eager struct {
	File
	written int64 // bytes
	disk    writeback.Ahead
}

func (e *eager) Write(p []byte) (int, error) {
	n, err := e.File.Write(p)
	e.written += int64(n)
	if f, ok := e.File.(*os.File); ok {
		e.disk.Wrote(int(f.Fd()), e.written)
	}
	return n, err
}

// digest copies src to dst and computes its digest on the way. Of what is
// compressed it leaves DiffID and TarSize open: unpacking is the Reader's.
func (w *writer) digest(src io.Reader, dst io.Writer) (layerRecord, error) {
	var head []byte
	d, size, err := w.hash(readerFunc(func(p []byte) (int, error) {
		n, err := src.Read(p)
		if len(head) < codec.HeadSize {
			head = append(head, p[:min(n, codec.HeadSize-len(head))]...)
		}
		if n > 0 {
			w.count(n)
			if _, err := dst.Write(p[:n]); err != nil {
				return 0, err
			}
		}
		return n, err
	}))
	if err != nil {
		return layerRecord{}, err
	}
	return recordOf(d, size, head), nil
}

// recordOf is a blob that begins with head.
func recordOf(d digest.Digest, size int64, head []byte) layerRecord {
	l := layerRecord{Blob: d, MediaType: v1.MediaTypeImageLayer, Size: size}
	if kind := codec.Detect(head); kind != codec.None {
		l.MediaType += "+" + kind
		return l
	}
	l.DiffID, l.TarSize = d, size
	return l
}

// tar adds what the tar within a compressed layer is.
func (w *writer) tar(a Archive, image, layer int, l *layerRecord) error {
	at, size, err := a.LayerAt(image, layer)
	if err != nil {
		return err
	}
	l.DiffID, l.TarSize, err = w.hash(io.NewSectionReader(at, 0, size))
	return err
}

// hash reads all of src.
func (w *writer) hash(src io.Reader) (digest.Digest, int64, error) {
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, readerFunc(func(p []byte) (int, error) {
		if w.ctx.Err() != nil {
			return 0, canceled(w.ctx)
		}
		return src.Read(p)
	}), make([]byte, 256<<10))
	return digest.NewDigest(digest.SHA256, sum), n, err
}

func (w *writer) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done += int64(n)
	w.report(w.done)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// document stores a small blob whose digest is known.
func (w *writer) document(d digest.Digest, data []byte) error {
	name := blobFile(d)
	if ok, err := exists(w.store.root, name); err != nil || ok {
		return err
	}
	return replace(w.store.disk, "blobs/sha256", filepath.Base(name), data)
}

// flush makes the names of all blobs and layers durable.
func (w *writer) flush() error {
	return errors.Join(w.store.disk.SyncDir("blobs/sha256"), w.store.disk.SyncDir("layers"))
}
