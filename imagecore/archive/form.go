package archive

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
)

// Forms of layers that hold a table of contents besides the tar, so that files
// can be fetched one by one; as imagecore.Layer has them.
const (
	EStargz     = "estargz"
	ZstdChunked = "zstd:chunked"
)

// Annotations of such layers: stargz-snapshotter's docs/estargz.md, and
// containers/storage, whose first name for its own lacked "github".
const (
	annotationTOC        = "containerd.io/snapshot/stargz/toc.digest"
	annotationChunked    = "io.github.containers.zstd-chunked.manifest-checksum"
	annotationChunkedOld = "io.containers.zstd-chunked.manifest-checksum"
)

// footerSize is that of zstd:chunked, the longer one.
const footerSize = 72

// formOf tells what form a layer has: by the footer that its blob ends with,
// or, where the blob cannot be read at its end, by the manifest's annotations.
func (r *reader) formOf(b *blob, l *imagecore.Layer) (string, error) {
	if b.compression != codec.Gzip && b.compression != codec.Zstd {
		return "", nil
	}
	src, ok, err := r.files.At(b.file)
	if err != nil {
		return "", err
	}
	if ok {
		tail := make([]byte, min(footerSize, b.file.Size))
		if _, err := src.ReadAt(tail, b.file.Size-int64(len(tail))); err != nil && err != io.EOF {
			return "", err
		}
		return formOfFooter(tail, b.file.Size), nil
	}
	a := l.Annotations
	switch {
	case b.compression == codec.Gzip && a[annotationTOC] != "":
		return EStargz, nil
	case b.compression == codec.Zstd && (a[annotationChunked] != "" || a[annotationChunkedOld] != ""):
		return ZstdChunked, nil
	}
	return "", nil
}

// EStargzFooter is the bytes of an eStargz layer's footer.
const EStargzFooter = 51

// EStargzTOC reads the footer of an eStargz layer, the last bytes of a blob of
// that size: where in the blob the gzip member begins that holds, as a tar of
// one file, the table of contents. It stands behind the layer's tar, whose end
// is marked before it, so that only who knows of it sees it.
//
//	an empty gzip member, whose extra field is "SG", its length 22, the offset in 16 hexadecimal digits, "STARGZ"
func EStargzTOC(tail []byte, size int64) (offset int64, ok bool) {
	if len(tail) < EStargzFooter {
		return 0, false
	}
	t := tail[len(tail)-EStargzFooter:]
	offset, err := strconv.ParseInt(string(t[16:32]), 16, 64)
	return offset, bytes.HasPrefix(t, []byte{0x1f, 0x8b}) && bytes.Equal(t[10:16], []byte{26, 0, 'S', 'G', 22, 0}) && string(t[32:38]) == "STARGZ" &&
		err == nil && offset >= 0 && offset < size
}

// formOfFooter tells a form by the last bytes of a blob of that size; that of
// zstd:chunked is
//
//	a skippable frame: 0x184D2A50, its length 64, offsets and lengths, "GNUlInUx"
func formOfFooter(tail []byte, size int64) string {
	if _, ok := EStargzTOC(tail, size); ok {
		return EStargz
	}
	if n := len(tail); n >= footerSize {
		t := tail[n-footerSize:]
		if binary.LittleEndian.Uint32(t) == 0x184D2A50 && binary.LittleEndian.Uint32(t[4:]) == 64 && string(t[64:]) == "GNUlInUx" {
			return ZstdChunked
		}
	}
	return ""
}
