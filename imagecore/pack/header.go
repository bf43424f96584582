package pack

import (
	"archive/tar"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/layerlab/layerlab/imagecore"
)

// writeHeader writes the header of an item.
func writeHeader(tw *tar.Writer, it *Item) error {
	h := &tar.Header{
		Name: it.Path, Mode: int64(it.Mode & 0o7777), Uid: int(it.UID), Gid: int(it.GID),
		ModTime: time.Unix(it.ModTime, int64(it.ModNano)).UTC(),
	}
	if it.ModNano == 0 && it.ModTime >= 0 && it.ModTime < 1<<33 {
		h.Format = tar.FormatUSTAR
	}
	switch it.Kind {
	case imagecore.File:
		h.Typeflag, h.Size = tar.TypeReg, it.Size
	case imagecore.Dir:
		h.Typeflag, h.Name = tar.TypeDir, it.Path+"/"
		if it.Path == "" {
			h.Name = "./"
		}
	case imagecore.Symlink:
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, it.Link, 0o777
	case imagecore.Hardlink:
		h.Typeflag, h.Linkname = tar.TypeLink, it.Link
	case imagecore.Char:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(it.Major), int64(it.Minor)
	case imagecore.Block:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, int64(it.Major), int64(it.Minor)
	case imagecore.Fifo:
		h.Typeflag = tar.TypeFifo
	default:
		return fmt.Errorf("tar entry %s: a %s cannot be written", strconv.Quote(it.Path), it.Kind)
	}
	// Hard links too: Docker and containerd set the owner of each name, by
	// which the file loses its capabilities, and then what the name states.
	if len(it.Xattrs) > 0 {
		h.PAXRecords = make(map[string]string, len(it.Xattrs))
		for _, x := range it.Xattrs {
			h.PAXRecords["SCHILY.xattr."+x.Key] = x.Value
		}
	}
	if needsPAX(h) {
		h.Format = tar.FormatPAX
	}
	if err := tw.WriteHeader(h); err != nil {
		return trail(it.Path, err)
	}
	return nil
}

// needsPAX says whether USTAR cannot hold the header. archive/tar would find
// out as well, but with a format left open it rounds times instead.
func needsPAX(h *tar.Header) bool {
	const octal7, octal11 = 1<<21 - 1, 1<<33 - 1
	return h.Format == tar.FormatUnknown || len(h.PAXRecords) > 0 || h.Size > octal11 ||
		h.Uid > octal7 || h.Gid > octal7 || h.Devmajor > octal7 || h.Devminor > octal7 ||
		len(h.Linkname) > 100 || !isASCII(h.Linkname) || !fitsName(h.Name)
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// fitsName says whether USTAR's prefix and name fields hold the name: at most
// 155 and 100 bytes, parted at a slash.
func fitsName(name string) bool {
	if !isASCII(name) || len(name) > 256 {
		return false
	}
	if len(name) <= 100 {
		return true
	}
	end := len(name)
	if name[end-1] == '/' {
		end--
	}
	i := strings.LastIndexByte(name[:min(156, end)], '/')
	return i > 0 && len(name)-i-1 <= 100
}

// trail says which entry an error is about.
func trail(path string, err error) error {
	if path == "" {
		path = "."
	}
	return fmt.Errorf("tar entry %s: %w", strconv.Quote(path), err)
}
