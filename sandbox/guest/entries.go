package guest

import (
	"encoding/binary"
	"errors"
	"path"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// The entries of a layer cross the boundary as numbers (varint) and strings
// (their length before them), so that the host parses nothing that an archive
// shaped: some 60 bytes an entry.

// AppendEntries appends the entries of a layer to b.
func AppendEntries(b []byte, list []imagecore.Entry) []byte {
	str := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	num := func(list ...int64) {
		for _, n := range list {
			b = binary.AppendVarint(b, n)
		}
	}
	num(int64(len(list)))
	for i := range list {
		e := &list[i]
		flags := int64(0)
		if e.Escapes {
			flags |= 1
		}
		if e.Path == e.Name {
			flags |= 2
		}
		if e.Sparse != nil {
			flags |= 4
		}
		num(flags, int64(e.Kind), int64(e.Header))
		str(e.Name)
		if e.Path != e.Name {
			str(e.Path)
		}
		str(e.Link)
		num(int64(e.Mode), int64(e.UID), int64(e.GID), int64(e.Major), int64(e.Minor))
		num(e.Size, e.ModTime, int64(e.ModNano), e.Offset, e.DataOffset, e.Stored)
		if e.Sparse != nil {
			num(int64(len(e.Sparse)))
			for _, f := range e.Sparse {
				num(f.Offset, f.Length)
			}
		}
		num(int64(len(e.Xattrs)))
		for _, x := range e.Xattrs {
			str(x.Key)
			str(x.Value)
		}
	}
	return b
}

// errEntries is all that a host says of entries which no guest of ours makes.
var errEntries = errors.New("entries that no scanner makes") // never changed

// minEntry is the fewest bytes that an entry takes, for numbers that claim
// more.
const minEntry = 18

// DecodeEntries is the way back. A guest may have been broken into: what
// imagecore's scanner would never give is an error, and limits hold again.
func DecodeEntries(b []byte, l imagecore.Limits) ([]imagecore.Entry, error) {
	d := decoder{text: string(b)}
	n := d.num()
	if d.failed || n < 0 || n > int64(l.Entries) || n > int64(len(b)/minEntry) {
		return nil, errEntries
	}
	list := make([]imagecore.Entry, n)
	left := l.Layer
	for i := range list {
		d.entry(&list[i], l)
		if d.failed || list[i].Size > left {
			return nil, errEntries
		}
		left -= list[i].Size
	}
	if len(d.text) > 0 {
		return nil, errEntries
	}
	return list, nil
}

// decoder takes from the front of its text; the first failure stays.
type decoder struct {
	text   string
	failed bool
}

func (d *decoder) num() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1) // zigzag, as binary.AppendVarint writes it
}

func (d *decoder) uvarint() uint64 {
	var u uint64
	for i := 0; i < len(d.text) && i < binary.MaxVarintLen64; i++ {
		c := d.text[i]
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.text = d.text[i+1:]
			return u
		}
	}
	d.failed = true
	return 0
}

func (d *decoder) str() string {
	n := d.uvarint()
	if n > uint64(len(d.text)) {
		d.failed = true
		return ""
	}
	s := d.text[:n]
	d.text = d.text[n:]
	return s
}

// within fails for a number outside of 0 to most.
func (d *decoder) within(most int64) int64 {
	n := d.num()
	if n < 0 || n > most {
		d.failed = true
		return 0
	}
	return n
}

const (
	most32 = 1<<32 - 1
	most62 = 1 << 62 // bytes: offsets can be added
)

func (d *decoder) entry(e *imagecore.Entry, l imagecore.Limits) {
	flags := d.within(7)
	e.Escapes = flags&1 != 0
	e.Kind, e.Header = imagecore.Kind(d.within(int64(imagecore.Metadata))), imagecore.Kind(d.within(int64(imagecore.Metadata)))
	e.Name = d.str()
	if e.Path = e.Name; flags&2 == 0 {
		e.Path = d.str()
	}
	e.Link = d.str()
	e.Mode = uint32(d.within(0o7777))
	e.UID, e.GID = uint32(d.within(most32)), uint32(d.within(most32))
	e.Major, e.Minor = uint32(d.within(most32)), uint32(d.within(most32))
	e.Size, e.ModTime, e.ModNano = d.within(most62), d.num(), int32(d.within(999_999_999))
	e.Offset, e.DataOffset, e.Stored = d.within(most62), d.within(most62), d.within(most62)
	if flags&4 != 0 {
		n := d.within(int64(len(d.text) / 2))
		e.Sparse = make([]imagecore.Fragment, n)
		end := int64(0)
		for i := range e.Sparse {
			f := imagecore.Fragment{Offset: d.within(e.Size), Length: d.within(e.Size)}
			d.failed = d.failed || f.Offset < end || f.Length > e.Size-f.Offset
			end, e.Sparse[i] = f.Offset+f.Length, f
		}
	}
	if n := d.within(int64(len(d.text) / 2)); n > 0 {
		e.Xattrs = make([]imagecore.Xattr, n)
		for i := range e.Xattrs {
			e.Xattrs[i] = imagecore.Xattr{Key: d.str(), Value: d.str()}
			d.failed = d.failed || strings.IndexByte(e.Xattrs[i].Key, 0) >= 0
		}
	}
	d.failed = d.failed || e.Kind == 0 || !e.Escapes && !clean(e.Path, l) || e.Kind == imagecore.Hardlink && !e.Escapes && !clean(e.Link, l)
}

// clean says that a path cannot leave the root.
func clean(p string, l imagecore.Limits) bool {
	return p == "" || len(p) <= l.Path && p[0] != '/' && path.Clean(p) == p && p != "." && p != ".." && !strings.HasPrefix(p, "../") && strings.IndexByte(p, 0) < 0
}
