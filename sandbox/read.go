package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/splice"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// Reading is an archive that was read in the sandbox: the report with its
// entries, the indexes, and the bytes of the layers, compressed and not. Nothing
// of the archive is parsed here. It is safe for concurrent use.
type Reading struct {
	report  *imagecore.Report
	indexes [][]byte
	lists   [][]imagecore.Entry
	entries int // in all lists
	inside  guest.Inside
	spooled unpacked

	archive io.ReaderAt
	size    int64 // bytes of the archive
	spool   *os.File
	tars    map[archive.Place]piece
}

// Read reads an archive whose runs are all of files (*os.File). spool is an empty
// file, open for reading and writing, that takes what is compressed; it and the
// archive stay open as long as the Reading is used, and are the caller's. Errors
// are those of Survey, and ErrHost, code "sandbox-failed", for what is no file.
func Read(ctx context.Context, from *splice.Reader, spool *os.File, o Options) (*Reading, error) {
	o = o.defaults(from.Size())
	j := o.job(from.Size())
	j.Read = true
	files, err := j.locate(from.Runs(), spool)
	if err != nil {
		return nil, err
	}
	r := &Reading{archive: from, size: from.Size(), spool: spool}
	err = work(ctx, o, j, files, func(kind guest.Kind, p []byte) error { return r.take(kind, p, o.Limits) })
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, hostError("the sandbox answered nonsense", err)
	}
	return r, nil
}

// locate notes where the archive lies, and gives the child's files.
func (j *job) locate(runs []splice.Run, spool *os.File) (files []*os.File, err error) {
	files = []*os.File{nil, spool}
	at := map[*os.File]int{}
	for _, r := range runs {
		f, ok := r.From.(*os.File)
		if !ok {
			return nil, hostError("the sandbox reads files alone", fmt.Errorf("not a %T", r.From))
		}
		if _, ok := at[f]; !ok {
			if files[0] == nil {
				files[0], at[f] = f, archiveFile
			} else {
				files, at[f] = append(files, f), archiveFile+len(files)
			}
		}
		j.Runs = append(j.Runs, run{File: at[f], At: r.At, Size: r.Size})
	}
	if files[0] == nil { // nothing was received; there is nothing to read
		files[0] = spool
	}
	return files, nil
}

// take keeps what the guest hands out.
func (r *Reading) take(kind guest.Kind, p []byte, l imagecore.Limits) (err error) {
	switch kind {
	case guest.KindReport:
		r.report = &imagecore.Report{}
		err = json.Unmarshal(p, r.report)
	case guest.KindIndex:
		if len(p) < 4 || int(binary.LittleEndian.Uint32(p)) != len(r.indexes) {
			return nonsense(kind)
		}
		r.indexes = append(r.indexes, bytes.Clone(p[4:]))
	case guest.KindEntries:
		var list []imagecore.Entry
		if list, err = guest.DecodeEntries(p, l); err == nil {
			r.lists = append(r.lists, list)
			if r.entries += len(list); r.entries > r.most(l) {
				err = errors.New("more entries than the limit")
			}
		}
	case guest.KindInside:
		err = json.Unmarshal(p, &r.inside)
	case frameUnpacked:
		err = json.Unmarshal(p, &r.spooled)
	default:
		return nonsense(kind)
	}
	if err != nil {
		return hostError("the sandbox answered nonsense", err)
	}
	return nil
}

// most is how many entries all lists may have: so many an image.
func (r *Reading) most(l imagecore.Limits) int { return l.Entries * max(1, len(r.indexes)) }

// check holds the pieces against one another, and puts the report together.
func (r *Reading) check() error {
	if r.report == nil || len(r.report.Images) != len(r.inside.Images) || len(r.indexes) != len(r.inside.Images) || len(r.lists) != r.inside.Lists {
		return errors.New("pieces are missing")
	}
	info, err := r.spool.Stat()
	if err != nil {
		return err
	}
	fits := func(p piece, size int64) bool {
		return p.Offset >= 0 && p.Size >= 0 && p.Offset <= size && p.Size <= size-p.Offset
	}
	if a := r.spooled.Archive; a != nil && !fits(*a, info.Size()) {
		return errors.New("the unpacked archive is not in the spool")
	}
	r.tars = map[archive.Place]piece{}
	for _, l := range r.spooled.Layers {
		if !fits(l.Tar, info.Size()) {
			return errors.New("an unpacked layer is not in the spool")
		}
		r.tars[l.Place] = l.Tar
	}
	for i := range r.report.Images {
		img, in := &r.report.Images[i], &r.inside.Images[i]
		if len(img.Layers) != len(in.Layers) || len(img.V1) != len(in.V1) {
			return fmt.Errorf("image %d: pieces are missing", i)
		}
		img.Manifest.Raw, img.Config.Raw = string(in.Manifest), string(in.Config)
		for n := range img.V1 {
			img.V1[n].Raw = string(in.V1[n])
		}
		for n := range img.Layers {
			l, from := &img.Layers[n], &in.Layers[n]
			if from.Entries >= len(r.lists) || l.Present != (from.Place != nil) {
				return fmt.Errorf("image %d layer %d: pieces are missing", i, n)
			}
			if from.Entries >= 0 {
				l.Entries = r.lists[from.Entries]
			}
			if p := from.Place; p != nil {
				size := r.size
				if p.Within && r.spooled.Archive != nil {
					size = r.spooled.Archive.Size
				}
				_, there := r.tars[*p]
				if !fits(piece{p.Offset, p.Size}, size) || p.Within && r.spooled.Archive == nil || p.Compression != codec.None && !there {
					return fmt.Errorf("image %d layer %d: its bytes are not where they should be", i, n)
				}
			}
		}
	}
	return nil
}

// Report describes the images, entries included.
func (r *Reading) Report() *imagecore.Report { return r.report }

// Index is the binary index of one image through the spec lens.
func (r *Reading) Index(image int) ([]byte, error) {
	if image < 0 || image >= len(r.indexes) {
		return nil, fmt.Errorf("image %d has no index", image)
	}
	return r.indexes[image], nil
}

// OpenBlob gives a layer's bytes as stored.
func (r *Reading) OpenBlob(image, layer int) (io.ReadCloser, error) {
	s, _, err := r.stored(image, layer)
	if err != nil {
		return nil, err
	}
	return stored{s}, nil
}

// stored is a blob in its place: its Outer tells where that is.
type stored struct{ *io.SectionReader }

func (stored) Close() error { return nil }

// LayerAt gives a layer's uncompressed tar and its size in bytes.
func (r *Reading) LayerAt(image, layer int) (io.ReaderAt, int64, error) {
	s, p, err := r.stored(image, layer)
	if err != nil {
		return nil, 0, err
	}
	if p.Compression != codec.None {
		tar := r.tars[*p]
		s = io.NewSectionReader(r.spool, tar.Offset, tar.Size)
	}
	return s, s.Size(), nil
}

func (r *Reading) stored(image, layer int) (*io.SectionReader, *archive.Place, error) {
	if image < 0 || image >= len(r.inside.Images) || layer < 0 || layer >= len(r.inside.Images[image].Layers) || r.inside.Images[image].Layers[layer].Place == nil {
		return nil, nil, imagecore.NewError(imagecore.ErrNotFound, "absent-layer", "the archive names the layer but does not hold it")
	}
	p := r.inside.Images[image].Layers[layer].Place
	if p.Within {
		return io.NewSectionReader(r.spool, r.spooled.Archive.Offset+p.Offset, p.Size), p, nil
	}
	return io.NewSectionReader(r.archive, p.Offset, p.Size), p, nil
}

// Close ends the reading; archive and spool are the caller's.
func (r *Reading) Close() error { return nil }
