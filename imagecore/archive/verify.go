package archive

import (
	"bufio"
	"context"
	"hash"
	"io"
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/opencontainers/go-digest"
)

// Verify reads all of an image and compares every digest that the archive
// claims with what is there: the manifest's, the config's, and of each layer
// that of its stored bytes and its diffID. tick, if set, is asked after each
// megabyte. The first mismatch is returned, an *imagecore.Error of kind
// ErrInvalid with the code "digest-mismatch" or "size-mismatch"; absent layers
// are passed over.
func (a *Archive) Verify(ctx context.Context, image int, tick func() error) error {
	if _, err := a.at(image, 0); image < 0 || image >= len(a.images) {
		return err
	}
	img := a.images[image]
	if len(img.broken) > 0 {
		return img.broken[0]
	}
	for i, b := range img.blobs {
		if b == nil {
			continue
		}
		ask := func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if tick != nil {
				return tick()
			}
			return nil
		}
		if err := a.verifyLayer(&img.Layers[i], b, ask); err != nil {
			return inLayer(err, i)
		}
	}
	return nil
}

// verifyLayer hashes a layer in one pass over its stored bytes.
func (a *Archive) verifyLayer(l *imagecore.Layer, b *blob, ask func() error) error {
	stored, err := a.files.Open(b.file)
	if err != nil {
		return err
	}
	defer stored.Close()
	var packed io.Reader = bufio.NewReaderSize(ticking{stored, ask}, 1<<20)
	blobHash, err := hasher(l.Digest)
	if err != nil {
		return err
	}
	diffHash, err := hasher(l.DiffID)
	if err != nil {
		return err
	}
	if b.compression == codec.None {
		if blobHash != nil && l.Digest.Algorithm() == l.DiffID.Algorithm() {
			blobHash = nil // the same bytes: hashed once, compared twice below
		}
	}
	all := &counted{r: packed}
	if blobHash != nil {
		all.hash = blobHash
	}
	tar, _, err := codec.NewReader(all, a.o.Limits)
	if err != nil {
		return err
	}
	defer tar.Close()
	if _, err := io.Copy(diffHash, tar); err != nil {
		return err
	}
	// What follows the compressed stream belongs to the blob as well.
	if _, err := io.Copy(io.Discard, all); err != nil {
		return err
	}
	if all.n != b.file.Size {
		return imagecore.NewError(imagecore.ErrInvalid, "truncated", "the layer ends early",
			"want", strconv.FormatInt(b.file.Size, 10), "got", strconv.FormatInt(all.n, 10))
	}
	diffID := digest.NewDigest(l.DiffID.Algorithm(), diffHash)
	if l.Digest != "" {
		got := diffID
		if blobHash != nil {
			got = digest.NewDigest(l.Digest.Algorithm(), blobHash)
		}
		if err := (claim{what: "the layer as stored", want: l.Digest, got: got, size: -1}).mismatch(); err != nil {
			return err
		}
	}
	if err := (claim{what: "the layer's tar", want: l.DiffID, got: diffID, size: -1}).mismatch(); err != nil {
		return err
	}
	return nil
}

// hasher returns the hash of a digest's algorithm, nil for no digest.
func hasher(d digest.Digest) (hash.Hash, error) {
	if d == "" {
		return nil, nil
	}
	if !d.Algorithm().Available() {
		return nil, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-digest", "not yet: digests by "+d.Algorithm().String(), "algorithm", d.Algorithm().String())
	}
	return d.Algorithm().Hash(), nil
}
