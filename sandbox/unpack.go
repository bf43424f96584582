package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// What is compressed is unpacked into the spool by the child itself, three times
// as fast as within the guest, and behind the same walls: by now it can write
// nothing but the spool and its answers.

// unpacked says what lies where in the spool.
type unpacked struct {
	Archive *piece  `json:"archive,omitempty"` // what the archive unpacks to
	Layers  []layer `json:"layers,omitempty"`
}

// piece is a part of the spool.
type piece struct {
	Offset int64 `json:"offset"` // bytes
	Size   int64 `json:"size"`   // bytes
}

// layer is the tar of a compressed layer.
type layer struct {
	Place archive.Place `json:"place"`
	Tar   piece         `json:"tar"`
}

// unpack fills the spool with what the guest found compressed.
func (w *worker) unpack() error {
	var in guest.Inside
	if err := json.Unmarshal(w.inside, &in); err != nil {
		return fmt.Errorf("the module answered nonsense: %w", err)
	}
	out, err := w.unpackAll(&in)
	if refused, ok := errors.AsType[*imagecore.Error](err); ok {
		b, merr := json.Marshal(guest.FailureOf(refused))
		return errors.Join(merr, writeFrame(w.out, guest.KindError, b))
	}
	if err != nil {
		return err
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return writeFrame(w.out, frameUnpacked, b)
}

func (w *worker) unpackAll(in *guest.Inside) (*unpacked, error) {
	out := &unpacked{}
	done := map[archive.Place]bool{}
	for _, img := range in.Images {
		for _, l := range img.Layers {
			if l.Place == nil || done[*l.Place] {
				continue
			}
			done[*l.Place] = true
			from := w.archive
			if l.Place.Within {
				if out.Archive == nil {
					p, err := w.expand(io.NewSectionReader(w.archive, 0, w.job.Size), w.job.Limits.Archive)
					if err != nil {
						return nil, err
					}
					out.Archive = &p
				}
				from = io.NewSectionReader(w.spool, out.Archive.Offset, out.Archive.Size)
			}
			if l.Place.Compression == codec.None {
				continue
			}
			tar, err := w.expand(io.NewSectionReader(from, l.Place.Offset, l.Place.Size), w.job.Limits.Layer)
			if err != nil {
				return nil, err
			}
			out.Layers = append(out.Layers, layer{*l.Place, tar})
		}
	}
	return out, nil
}

// expand unpacks src to the end of the spool.
func (w *worker) expand(src io.Reader, limit int64) (piece, error) {
	limits := w.job.Limits
	limits.Layer = limit
	r, _, err := codec.NewReader(src, limits)
	if err != nil {
		return piece{}, err
	}
	defer r.Close()
	p := piece{Offset: w.spooled}
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		if w.spooled+int64(n) > w.job.spoolLimit() {
			return p, imagecore.NewError(imagecore.ErrTooLarge, "layer-too-large",
				fmt.Sprintf("what is compressed takes more than %d bytes, unpacked: raise --limit-layer", w.job.spoolLimit()), "limit", fmt.Sprint(w.job.spoolLimit()))
		}
		if n > 0 {
			if _, err := w.spool.WriteAt(buf[:n], w.spooled); err != nil {
				return p, fmt.Errorf("write the spool: %w", err)
			}
			w.spooled += int64(n)
		}
		if err == io.EOF {
			p.Size = w.spooled - p.Offset
			return p, nil
		}
		if err != nil {
			return p, err
		}
		if w.stop.Load() {
			return p, imagecore.NewError(imagecore.ErrCanceled, "canceled", "stopped on request")
		}
	}
}
