package tarscan

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// pax holds the records of one extended header (pax(1) "pax Extended Header")
// that matter here. Its slices point into buf, except sparseMap. A record
// without a value leaves the header's own value in force.
type pax struct {
	buf                     []byte // the records, copied
	path, linkpath          []byte
	size, uid, gid          []byte
	mtime, atime, ctime     []byte
	xattrs                  []paxXattr
	sparseMajor, sparseMin  []byte
	sparseName              []byte
	sparseSize, sparseReal  []byte
	sparseMap, sparseBlocks []byte
	sparsePairs             int // records of format 0.0 seen
	xattrBytes              int
}

// paxXattr is an extended attribute as it was recorded.
type paxXattr struct {
	key, value []byte
	encoded    bool // LIBARCHIVE.xattr: the key is percent-encoded, the value base64
}

func (p *pax) reset() { *p = pax{buf: p.buf[:0], xattrs: p.xattrs[:0]} }

// parse takes the records of data apart. Later records of the same key win; a
// whole header replaces the one before it.
func (p *pax) parse(data []byte, l *imagecore.Limits) *imagecore.Error {
	p.reset()
	p.buf = append(p.buf, data...)
	var zero []byte // sparse map of format 0.0, as 0.1 would have it
	for rest := p.buf; len(rest) > 0; {
		key, value, next, ok := paxRecord(rest)
		if !ok {
			return bad("malformed record in an extended header")
		}
		rest = next
		switch string(key) {
		case "path":
			p.path = value
		case "linkpath":
			p.linkpath = value
		case "size":
			p.size = value
		case "uid":
			p.uid = value
		case "gid":
			p.gid = value
		case "mtime":
			p.mtime = value
		case "atime":
			p.atime = value
		case "ctime":
			p.ctime = value
		case "GNU.sparse.major":
			p.sparseMajor = value
		case "GNU.sparse.minor":
			p.sparseMin = value
		case "GNU.sparse.name":
			p.sparseName = value
		case "GNU.sparse.size":
			p.sparseSize = value
		case "GNU.sparse.realsize":
			p.sparseReal = value
		case "GNU.sparse.numblocks":
			p.sparseBlocks = value
		case "GNU.sparse.map":
			p.sparseMap = value
		case "GNU.sparse.offset", "GNU.sparse.numbytes":
			// Format 0.0 repeats its keys, offset and numbytes in turn.
			if (p.sparsePairs%2 == 0) != (string(key) == "GNU.sparse.offset") || bytes.IndexByte(value, ',') >= 0 {
				return bad("sparse map in an extended header is out of order")
			}
			if p.sparsePairs > 0 {
				zero = append(zero, ',')
			}
			zero = append(zero, value...)
			p.sparsePairs++
		default:
			if err := p.xattr(key, value, l); err != nil {
				return err
			}
		}
	}
	if p.sparsePairs > 0 {
		p.sparseMap = zero
	}
	return nil
}

// paxRecord takes the first record off b: "length key=value\n".
func paxRecord(b []byte) (key, value, rest []byte, ok bool) {
	sp := bytes.IndexByte(b, ' ')
	if sp < 0 {
		return nil, nil, nil, false
	}
	n, err := strconv.ParseInt(string(b[:sp]), 10, 0)
	if err != nil || n < 5 || n > int64(len(b)) || n <= int64(sp)+1 || b[n-1] != '\n' {
		return nil, nil, nil, false
	}
	key, value, ok = bytes.Cut(b[sp+1:n-1], []byte("="))
	if !ok || len(key) == 0 {
		return nil, nil, nil, false
	}
	switch string(key) {
	case "path", "linkpath", "uname", "gname":
		ok = bytes.IndexByte(value, 0) < 0
	default:
		ok = bytes.IndexByte(key, 0) < 0
	}
	return key, value, b[n:], ok
}

// xattr keeps an extended attribute.
func (p *pax) xattr(key, value []byte, l *imagecore.Limits) *imagecore.Error {
	x := paxXattr{value: value}
	if k, ok := bytes.CutPrefix(key, []byte("SCHILY.xattr.")); ok {
		x.key = k
	} else if k, ok := bytes.CutPrefix(key, []byte("LIBARCHIVE.xattr.")); ok {
		x.key, x.encoded = k, true
	} else {
		return nil
	}
	// Repeated keys count each time: the sum bounds the work as well.
	p.xattrBytes += len(x.key) + len(value)
	if p.xattrBytes > l.Xattrs {
		return tooLarge("xattrs-too-large", "extended attributes are larger than the limit", p.xattrBytes, l.Xattrs)
	}
	p.xattrs = append(p.xattrs, x)
	return nil
}

// sortedXattrs returns the attributes sorted by key. The last record of a key
// wins and SCHILY's before LIBARCHIVE's, which some writers add to it; empty
// values are no attributes, as in archive/tar.
func (p *pax) sortedXattrs(a *arena) ([]imagecore.Xattr, *imagecore.Error) {
	if len(p.xattrs) == 0 {
		return nil, nil
	}
	type found struct {
		imagecore.Xattr
		rank int // position, LIBARCHIVE's all before SCHILY's
	}
	all := make([]found, 0, len(p.xattrs))
	for i, x := range p.xattrs {
		f := found{rank: i}
		if x.encoded {
			key, err := url.PathUnescape(string(x.key))
			if err != nil {
				return nil, bad("key of an extended attribute is not percent-encoded")
			}
			value, err := base64.StdEncoding.DecodeString(pad64(string(x.value)))
			if err != nil {
				return nil, bad("value of an extended attribute is not base64")
			}
			f.Key, f.Value = key, string(value)
		} else {
			f.Key, f.Value, f.rank = a.add(x.key), a.add(x.value), i+len(p.xattrs)
		}
		all = append(all, f)
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Key != all[j].Key {
			return all[i].Key < all[j].Key
		}
		return all[i].rank < all[j].rank
	})
	xattrs := make([]imagecore.Xattr, 0, len(all))
	for i, f := range all {
		if (i+1 == len(all) || all[i+1].Key != f.Key) && f.Value != "" {
			xattrs = append(xattrs, f.Xattr)
		}
	}
	if len(xattrs) == 0 {
		return nil, nil
	}
	return xattrs, nil
}

// sameXattrs says whether the records are those that attributes were made of.
func (p *pax) sameXattrs(made []imagecore.Xattr) bool {
	return slices.EqualFunc(p.xattrs, made, func(x paxXattr, m imagecore.Xattr) bool {
		return !x.encoded && string(x.key) == m.Key && string(x.value) == m.Value
	})
}

// pad64 completes base64 whose padding libarchive leaves off.
func pad64(s string) string {
	s = strings.TrimRight(s, "=")
	return s + "==="[:(4-len(s)%4)%4]
}

// merge puts the records into h; sub-second time is returned apart.
func (p *pax) merge(h *header) (nsec int64, ok bool) {
	ok = true
	integer := func(to *int64, v []byte) {
		if len(v) == 0 {
			return
		}
		n, err := strconv.ParseInt(string(v), 10, 64)
		*to, ok = n, ok && err == nil
	}
	if len(p.path) > 0 {
		h.name = p.path
	}
	if len(p.linkpath) > 0 {
		h.link = p.linkpath
	}
	integer(&h.uid, p.uid)
	integer(&h.gid, p.gid)
	integer(&h.size, p.size)
	for _, v := range [][]byte{p.atime, p.ctime} {
		if len(v) > 0 {
			_, _, good := paxTime(v)
			ok = ok && good
		}
	}
	if len(p.mtime) > 0 {
		var good bool
		h.mtime, nsec, good = paxTime(p.mtime)
		ok = ok && good
	}
	return nsec, ok
}

// paxTime parses "seconds[.fraction]", either sign, and returns it with
// nanoseconds in 0 to 999,999,999.
func paxTime(v []byte) (sec, nsec int64, ok bool) {
	s, fraction, _ := bytes.Cut(v, []byte("."))
	sec, err := strconv.ParseInt(string(s), 10, 64)
	if err != nil {
		return 0, 0, false
	}
	for i := 0; i < max(9, len(fraction)); i++ {
		c := byte('0')
		if i < len(fraction) {
			c = fraction[i]
		}
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		if i < 9 {
			nsec = nsec*10 + int64(c-'0')
		}
	}
	if nsec > 0 && s[0] == '-' {
		sec, nsec = sec-1, 1e9-nsec
	}
	return sec, nsec, true
}
