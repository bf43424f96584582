// Package tarsum computes the checksums that Docker 1.0–1.9 kept in the JSON of
// an image: digests of what a layer's tar says, whatever its bytes.
//
//	tar → entry → SHA-256 of header fields and content → sorted → SHA-256 → "tarsum.v1+sha256:…"
//
// Version 0 ("tarsum") takes name, mode, uid, gid, size, mtime, typeflag,
// linkname, uname, gname, devmajor and devminor of each entry; version 1
// ("tarsum.v1", first called "tarsum.dev") leaves mtime out and adds the
// extended attributes. Each field is its name and its value without anything
// between, numbers in decimal digits. Source: Docker's tarsum_spec.md.
//
// Docker gave it up in 1.10, since the padding and the order of a tar are not
// in it: two tars that unpack differently can have one sum.
package tarsum

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"io"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Version says which fields count.
type Version string

const (
	V0  Version = "tarsum"
	V1  Version = "tarsum.v1"
	Dev Version = "tarsum.dev" // what version 1 was called before it was one
)

// Parse takes a checksum apart. ok is false for what is no tarsum by SHA-256.
func Parse(checksum string) (v Version, sum string, ok bool) {
	label, rest, _ := strings.Cut(checksum, "+")
	sum, ok = strings.CutPrefix(rest, "sha256:")
	v = Version(label)
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != sha256.Size {
		ok = false
	}
	return v, sum, ok && (v == V0 || v == V1 || v == Dev)
}

// entrySum is the sum of one entry; name and order settle where two entries
// have one name.
type entrySum struct {
	name  uint64 // hash of the cleaned name
	order int
	hex   [2 * sha256.Size]byte
}

// Sum reads an uncompressed tar to its end and returns its checksum, label
// included. extra is hashed before all entries: registries put the image's JSON
// there, images nothing. At most limits.Entries entries are read.
func Sum(r io.Reader, v Version, extra []byte, limits imagecore.Limits) (string, error) {
	if v != V0 && v != V1 && v != Dev {
		return "", imagecore.NewError(imagecore.ErrUnsupported, "unsupported-digest", "no such kind of checksum: "+string(v), "algorithm", string(v))
	}
	var sums []entrySum
	seed := maphash.MakeSeed()
	h := sha256.New()
	buf := make([]byte, 64<<10)
	for tr := tar.NewReader(r); ; {
		header, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			e := imagecore.NewError(imagecore.ErrInvalid, "bad-header", "no checksum can be computed")
			e.Err = err
			return "", e
		}
		if len(sums) >= limits.Entries {
			return "", imagecore.NewError(imagecore.ErrTooLarge, "too-many-entries", "more entries than the limit", "limit", strconv.Itoa(limits.Entries))
		}
		h.Reset()
		h.Write(fields(header, v))
		if _, err := io.CopyBuffer(onlyWriter{h}, onlyReader{tr}, buf); err != nil {
			return "", err
		}
		s := entrySum{name: maphash.String(seed, path.Join("/", header.Name)), order: len(sums)}
		hex.Encode(s.hex[:], h.Sum(nil))
		sums = append(sums, s)
	}
	// By sum, but entries of one name in their order: no true order, so that
	// only few such entries come out as in Docker, whatever sorts them.
	sort.Slice(sums, func(i, j int) bool {
		if sums[i].name == sums[j].name {
			return sums[i].order < sums[j].order
		}
		return bytes.Compare(sums[i].hex[:], sums[j].hex[:]) < 0
	})
	h.Reset()
	h.Write(extra)
	for i := range sums {
		h.Write(sums[i].hex[:])
	}
	return string(v) + "+sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// fields is what of a header is hashed.
func fields(h *tar.Header, v Version) []byte {
	var b []byte
	text := func(name, value string) { b = append(append(b, name...), value...) }
	number := func(name string, n int64) { b = strconv.AppendInt(append(b, name...), n, 10) }
	text("name", h.Name)
	number("mode", h.Mode)
	number("uid", int64(h.Uid))
	number("gid", int64(h.Gid))
	number("size", h.Size)
	if v == V0 {
		number("mtime", h.ModTime.Unix())
	}
	text("typeflag", string([]byte{h.Typeflag}))
	text("linkname", h.Linkname)
	text("uname", h.Uname)
	text("gname", h.Gname)
	number("devmajor", h.Devmajor)
	number("devminor", h.Devminor)
	if v == V0 {
		return b
	}
	const prefix = "SCHILY.xattr."
	var keys []string
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		text(strings.TrimPrefix(k, prefix), h.PAXRecords[k])
	}
	return b
}

// CopyBuffer uses its buffer only where neither side has a method of its own.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
