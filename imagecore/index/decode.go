package index

import (
	"encoding/json"
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Decode reads an index. The bytes are not trusted: what does not follow the
// format is ErrInvalid, code "bad-index", with the byte where it stops making
// sense. Memory is bounded by a multiple of len(b), strings of the result
// share one copy of it.
func Decode(b []byte) (*Index, error) {
	r := &reader{s: string(b)}
	x := &Index{}
	r.expect(magic, "the magic is missing: this is no index")
	if v := r.byte(); v != format && r.err == nil {
		r.fail("format version " + strconv.Itoa(int(v)) + " is not known")
	}
	head := r.string()
	if r.err == nil {
		if err := json.Unmarshal([]byte(head), &x.Head); err != nil {
			r.fail("the head is no JSON: " + err.Error())
		}
	}
	// A node takes three bytes at least, a version four.
	nodes := r.count(3)
	if r.err == nil {
		x.Nodes = make([]Node, 0, nodes)
	}
	var above []string // the last name seen at each depth, above[0] is the root's
	for i := 0; i < nodes && r.err == nil; i++ {
		n := r.node()
		switch {
		case i == 0 && (n.Depth != 0 || n.Name != ""), i > 0 && (n.Depth == 0 || n.Depth > len(above)):
			r.fail("a node's depth does not follow from the one before")
		case i > 0 && n.Depth < len(above) && n.Name <= above[n.Depth]:
			r.fail("nodes are not sorted by name")
		}
		if r.err == nil {
			above = append(above[:n.Depth], n.Name)
			x.Nodes = append(x.Nodes, n)
		}
	}
	if r.err == nil && r.pos != len(r.s) {
		r.fail("bytes follow the last node")
	}
	if r.err != nil {
		return nil, r.err
	}
	return x, nil
}

type reader struct {
	s     string
	pos   int
	mtime int64
	err   error
}

func (r *reader) fail(message string) {
	if r.err == nil {
		r.err = imagecore.NewError(imagecore.ErrInvalid, "bad-index", "index: "+message).At("", int64(r.pos))
	}
	r.pos = len(r.s)
}

func (r *reader) expect(want, message string) {
	if len(r.s) < len(want) || r.s[:len(want)] != want {
		r.fail(message)
		return
	}
	r.pos += len(want)
}

func (r *reader) byte() byte {
	if r.pos >= len(r.s) {
		r.fail("it ends early")
		return 0
	}
	r.pos++
	return r.s[r.pos-1]
}

// uint reads a uvarint that is at most limit.
func (r *reader) uint(limit uint64) uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift == 63 && c > 1 {
			r.fail("a number is too large")
			return 0
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if v > limit {
		r.fail("a number is too large")
		return 0
	}
	return v
}

func (r *reader) int63() int64   { return int64(r.uint(1<<63 - 1)) }
func (r *reader) uint32() uint32 { return uint32(r.uint(1<<32 - 1)) }

// small reads a number of layers, inodes or depths.
func (r *reader) small() int { return int(r.uint(1<<31 - 1)) }

// count reads how many things of at least size bytes follow.
func (r *reader) count(size int) int {
	return int(r.uint(uint64(max(len(r.s)-r.pos, 0) / size)))
}

func (r *reader) varint() int64 {
	u := r.uint(1<<64 - 1)
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) string() string {
	n := r.count(1)
	if r.err != nil {
		return ""
	}
	if n > len(r.s)-r.pos {
		r.fail("a string is longer than what is left")
		return ""
	}
	r.pos += n
	return r.s[r.pos-n : r.pos]
}

func (r *reader) node() Node {
	n := Node{Depth: r.small(), Name: r.string()}
	count := r.count(4)
	if r.err != nil || count == 0 {
		return n
	}
	n.Versions = make([]Version, 0, count)
	after := noLayer
	for range count {
		v := r.version()
		if r.err == nil && (v.Layer < after || after == noLayer && len(n.Versions) > 0 || v.Until >= 0 && v.Until <= v.Layer) {
			r.fail("versions overlap")
		}
		if r.err != nil {
			break
		}
		after = v.Until
		n.Versions = append(n.Versions, v)
	}
	return n
}

func (r *reader) version() Version {
	v := Version{Kind: imagecore.Kind(r.byte()), Flags: Flags(r.byte()), Layer: r.small(), Until: r.small() - 1, Inode: -1}
	if v.Kind < imagecore.File || v.Kind > imagecore.Whiteout {
		r.fail("a version's kind is not known")
	}
	if v.Flags >= Copied<<1 {
		r.fail("a version's flags are not known")
	}
	if v.Until >= 0 {
		if v.Cause = tree.Cause(r.byte()); v.Cause.String() == "" {
			r.fail("a version's cause is not known")
		}
	}
	v.Home = v.Layer
	if v.Flags&Implicit == 0 {
		v.Offset = r.int63()
	}
	if v.Kind != imagecore.Whiteout {
		v.Mode, v.UID, v.GID = r.uint32(), r.uint32(), r.uint32()
		r.mtime += r.varint()
		v.ModTime = r.mtime
	}
	if v.Flags&Nanoseconds != 0 {
		v.ModNano = int32(r.uint(999_999_999))
	}
	if v.Kind == imagecore.File {
		v.Size = r.int63()
		if v.Flags&Copied != 0 {
			v.Home = r.small()
		}
		v.Data = r.int63()
	}
	if v.Flags&Linked != 0 {
		v.Inode = r.small()
	}
	switch v.Kind {
	case imagecore.Symlink:
		v.Target = r.string()
	case imagecore.Char, imagecore.Block:
		v.Major, v.Minor = r.uint32(), r.uint32()
	}
	if v.Flags&Xattrs != 0 {
		for range r.count(2) {
			v.Xattrs = append(v.Xattrs, imagecore.Xattr{Key: r.string(), Value: r.string()})
			if r.err != nil {
				break
			}
		}
	}
	if v.Flags&Opaque != 0 {
		v.OpaqueOffset = r.int63()
	}
	return v
}
