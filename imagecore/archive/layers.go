package archive

import (
	"errors"
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/codec/restart"
	"github.com/layerlab/layerlab/imagecore/tarscan"
)

// blob is a layer as it is stored. Images share them.
type blob struct {
	file        outer.File
	compression string
	tarSize     int64
	restarts    *restart.Stream // where unpacking can begin, nil where it is not compressed
	entries     []imagecore.Entry
	warnings    []imagecore.Warning
	scanned     bool
	err         error // of a scan on the way, which matters only if it is a layer
}

// scanLayers scans the layers of all images, each blob once.
func (r *reader) scanLayers() error {
	if len(r.found) == 0 {
		message := "the archive holds no image"
		if len(r.warnings) > 0 { // what there is instead
			message += ": " + r.warnings[0].Message
		}
		return imagecore.NewError(imagecore.ErrInvalid, "no-image", message)
	}
	for _, img := range r.found {
		for i, b := range img.blobs {
			l := &img.Layers[i]
			l.Index = i
			if b == nil {
				img.warn(i, "absent-layer", "the archive names this layer but does not hold it", "digest", l.Digest.String(), "mediaType", l.MediaType)
				continue
			}
			if err := r.scan(b); err != nil {
				if r.stopped != nil {
					return r.stopped
				}
				var ie *imagecore.Error
				if errors.As(err, &ie) {
					return ie.In(i)
				}
				return fmt.Errorf("layer %d: %w", i, err)
			}
			l.Present, l.Size, l.TarSize = true, b.file.Size, b.tarSize
			l.Entries, l.EntryCount = b.entries, len(b.entries)
			if l.MediaType == "" {
				l.MediaType = dockerMediaType(b.compression)
			} else if want, known := compressionOf(l.MediaType); known && want != b.compression {
				img.warn(i, "media-type-mismatch", "the layer is not compressed the way its media type says",
					"mediaType", l.MediaType, "compression", b.compression)
			}
			form, err := r.formOf(b, l)
			if err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
			l.Form = form
			for _, w := range b.warnings {
				w.Layer = i
				img.warnings = append(img.warnings, w)
			}
		}
	}
	return nil
}

// blob returns the one of a file.
func (r *reader) blob(f outer.File) *blob {
	b, ok := r.blobs[f.Path]
	if !ok {
		b = &blob{file: f}
		r.blobs[f.Path] = b
	}
	return b
}

// scan reads the headers of a layer.
func (r *reader) scan(b *blob) error {
	if b.scanned || b.err != nil {
		return b.err
	}
	base := r.done
	src, ok, err := r.files.At(b.file)
	if err != nil {
		return err
	}
	if ok {
		head := make([]byte, codec.HeadSize)
		n, err := src.ReadAt(head, 0)
		if err != nil && err != io.EOF {
			return err
		}
		if codec.Detect(head[:n]) == codec.None {
			o := r.scanOptions(true)
			o.Progress = func(off int64) { r.progress(base + off) }
			s := tarscan.NewReaderAt(src, b.file.Size, o)
			b.compression, b.tarSize = codec.None, b.file.Size
			err := r.finish(b, s, s.Offset)
			r.progress(base + b.file.Size)
			return err
		}
	}
	in, err := r.files.Open(b.file, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	return r.scanStream(b, &counted{r: in, told: func(n int64) { r.progress(base + n) }})
}

// scanStream scans a layer from its stored bytes.
func (r *reader) scanStream(b *blob, stored io.Reader) error {
	restarts := r.restarts.Stream()
	packed := &counted{r: stored}
	in, name, err := codec.NewMarking(packed, r.o.Limits, restarts.Mark)
	if err != nil {
		return err
	}
	defer in.Close()
	tar := &counted{r: in}
	b.compression = name
	if err = r.finish(b, tarscan.NewReader(tar, r.scanOptions(true)), func() int64 { return packed.n }); err == nil {
		err = r.drain(tar)
	}
	if err != nil {
		r.restarts.Drop(restarts)
		return err
	}
	b.tarSize, b.restarts = tar.n, restarts
	return nil
}

// finish takes the entries of a scan, of which done of the blob's bytes are
// behind the scanner.
func (r *reader) finish(b *blob, s *tarscan.Scanner, done func() int64) error {
	entries, err := r.collect(s, done, b.file.Size, nil)
	if err != nil {
		return err
	}
	b.entries, b.warnings, b.scanned = entries, s.Warnings(), true
	return nil
}

// OpenLayer returns the uncompressed tar of a layer. Reading to io.EOF
// verifies the checksums of its compression, if it has any.
func (a *Archive) OpenLayer(image, layer int) (io.ReadCloser, error) {
	b, err := a.at(image, layer)
	if err != nil {
		return nil, err
	}
	return a.openTar(b)
}

func (a *Archive) openTar(b *blob) (io.ReadCloser, error) {
	stored, err := a.files.Open(b.file, 0)
	if err != nil {
		return nil, err
	}
	if b.compression == codec.None {
		return stored, nil
	}
	tar, _, err := codec.NewReader(stored, a.o.Limits)
	if err != nil {
		stored.Close()
		return nil, err
	}
	return both{tar, stored}, nil
}

// both closes the stored bytes with the unpacked ones.
type both struct {
	io.ReadCloser
	stored io.Closer
}

func (b both) Close() error { return errors.Join(b.ReadCloser.Close(), b.stored.Close()) }

// OpenBlob returns the bytes of a layer as they are stored.
func (a *Archive) OpenBlob(image, layer int) (io.ReadCloser, error) {
	b, err := a.at(image, layer)
	if err != nil {
		return nil, err
	}
	return a.files.Open(b.file, 0)
}
