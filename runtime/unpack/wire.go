//go:build linux

package unpack

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// The list goes through the pipe as numbers (varint) and strings (their length
// before them), item after item, each begun by its kind; 0 ends it. A hundred
// thousand items are some 8 MB.

// maxString bounds a string of the list: a path, a target, an attribute.
const maxString = 1 << 20

type encoder struct {
	w   *bufio.Writer
	buf []byte
}

// list writes all items and the end.
func (e *encoder) list(items iter.Seq2[*snapshot.Item, error]) error {
	for it, err := range items {
		if err != nil {
			return err
		}
		e.buf = appendItem(e.buf[:0], it)
		if _, err := e.w.Write(e.buf); err != nil {
			return err
		}
	}
	if err := e.w.WriteByte(0); err != nil {
		return err
	}
	return e.w.Flush()
}

func appendItem(b []byte, it *snapshot.Item) []byte {
	str := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	num := func(list ...int64) {
		for _, n := range list {
			b = binary.AppendVarint(b, n)
		}
	}
	b = append(b, byte(it.Kind))
	opaque := int64(0)
	if it.Opaque {
		opaque = 1
	}
	str(it.Path)
	str(it.Link)
	num(opaque, int64(it.Mode), int64(it.UID), int64(it.GID), it.ModTime, int64(it.ModNano), int64(it.Major), int64(it.Minor))
	num(int64(len(it.Xattrs)))
	for _, x := range it.Xattrs {
		str(x.Key)
		str(x.Value)
	}
	if it.Kind != imagecore.File {
		return b
	}
	num(it.Size, int64(it.Content.Layer), it.Offset, int64(len(it.Pieces)))
	for _, p := range it.Pieces {
		num(p.To, p.From, p.Size)
	}
	str(it.Entry)
	return b
}

// decoder reads a list. The first error stays.
type decoder struct {
	r   *bufio.Reader
	err error
}

func (d *decoder) num() int64 {
	if d.err != nil {
		return 0
	}
	var n int64
	n, d.err = binary.ReadVarint(d.r)
	return n
}

func (d *decoder) str() string {
	if d.err != nil {
		return ""
	}
	n, err := binary.ReadUvarint(d.r)
	if err == nil && n > maxString {
		err = fmt.Errorf("a string of %d bytes", n)
	}
	if err != nil {
		d.err = err
		return ""
	}
	b := make([]byte, n)
	_, d.err = io.ReadFull(d.r, b)
	return string(b)
}

// list yields the items as they come.
func (d *decoder) list() iter.Seq2[*snapshot.Item, error] {
	return func(yield func(*snapshot.Item, error) bool) {
		for {
			it, err := d.item()
			if err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				yield(nil, fmt.Errorf("list: %w", err))
				return
			}
			if it == nil || !yield(it, nil) {
				return
			}
		}
	}
}

// item reads one, nil at the end.
func (d *decoder) item() (*snapshot.Item, error) {
	kind, err := d.r.ReadByte()
	if err != nil || kind == 0 {
		return nil, err
	}
	it := &snapshot.Item{LayerChange: tree.LayerChange{Kind: imagecore.Kind(kind), Path: d.str(), Link: d.str(), Opaque: d.num() == 1}}
	it.Mode, it.UID, it.GID = uint32(d.num()), uint32(d.num()), uint32(d.num())
	it.ModTime, it.ModNano = d.num(), int32(d.num())
	it.Major, it.Minor = uint32(d.num()), uint32(d.num())
	for range d.num() {
		if d.err != nil {
			break
		}
		it.Xattrs = append(it.Xattrs, imagecore.Xattr{Key: d.str(), Value: d.str()})
	}
	if it.Kind == imagecore.File {
		it.Size, it.Content.Layer, it.Offset = d.num(), int(d.num()), d.num()
		for range d.num() {
			if d.err != nil {
				break
			}
			it.Pieces = append(it.Pieces, snapshot.Piece{To: d.num(), From: d.num(), Size: d.num()})
		}
		it.Entry = d.str()
	}
	return it, d.err
}
