package archive

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/opencontainers/go-digest"
)

// scanOuter reads the headers of a tar that is not compressed.
func (r *reader) scanOuter(t *outer.Tar) error {
	s := tarscan.NewReaderAt(t.Source, t.Source.Size(), r.scanOptions(false))
	var err error
	t.Entries, err = r.collect(s, s.Offset, t.Source.Size(), nil)
	t.Warnings, t.EndMarked = s.Warnings(), s.EndMarked()
	r.root.tarSize = t.Source.Size()
	return err
}

// streamOuter reads a compressed archive once from start to end. Which of its
// files are layers and documents is not known before its manifest, which may
// come last, so everything that looks like one is read on the way: documents
// are kept, layers are scanned. A guess that proves wrong costs another pass
// over that file, and nothing else.
func (r *reader) streamOuter(t *outer.Tar) error {
	stored := &counted{r: io.NewSectionReader(t.Source, 0, t.Source.Size()), told: r.progress}
	l := r.o.Limits
	l.Layer = l.Archive
	t.Restarts = r.restarts.Stream()
	tar, _, err := codec.NewMarking(bufio.NewReaderSize(stored, t.Window), l, t.Restarts.Mark)
	if err != nil {
		return err
	}
	defer tar.Close()

	// A root file system is hashed on the way, until it proves to be none.
	hash := digest.SHA256.Digester()
	sum := &counted{r: tar}
	sum.hash = hash.Hash()
	s := tarscan.NewReader(sum, r.scanOptions(false))
	t.Entries, err = r.collect(s, func() int64 { return stored.n }, t.Source.Size(), func(e *imagecore.Entry) error {
		if looksLikeImage(e.Path) {
			sum.hash = nil
		}
		if sum.hash != nil {
			r.root.sniff(e, s.Content)
		}
		return r.keep(e, s)
	})
	t.Warnings, t.EndMarked = s.Warnings(), s.EndMarked()
	if err != nil {
		return err
	}
	// To the end of the stream, for its checksum and its size.
	if err := r.drain(sum); err != nil {
		return err
	}
	r.root.tarSize = sum.n
	if sum.hash != nil {
		r.root.diffID = hash.Digest()
	}
	return nil
}

// collect reads all entries of a tar, of which done of size bytes, as stored,
// are behind the scanner.
func (r *reader) collect(s *tarscan.Scanner, done func() int64, size int64, each func(*imagecore.Entry) error) ([]imagecore.Entry, error) {
	all, text := make([]imagecore.Entry, 0, 64), s.Text()
	for {
		if len(all) == cap(all) {
			all = slices.Grow(all, foretold(len(all), done(), size))
			if r.o.Counted != nil {
				r.o.Counted(r.entries + cap(all))
			}
		}
		all = all[:len(all)+1]
		e := &all[len(all)-1]
		err := s.Next(e)
		if err == nil && each != nil {
			err = each(e)
		}
		if err == io.EOF {
			all[len(all)-1] = imagecore.Entry{}
			r.entries += len(all) - 1
			r.text += s.Text() - text
			r.said += len(s.Warnings())
			return fitted(all[:len(all)-1]), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// foretold is for how many more entries to make room after the first n, which
// reach to byte at: as many as the rest of the tar would hold if it were like
// that, but no more than fifteen times as many, since it may be otherwise. Room
// that is not used costs addresses and no memory.
func foretold(n int, at, size int64) int {
	if at <= 0 {
		return n
	}
	rest := float64(size-at) / float64(at) * float64(n)
	return int(min(max(1.02*rest, 64), 15*float64(n)))
}

// fitted copies entries whose room is much larger than they are.
func fitted(all []imagecore.Entry) []imagecore.Entry {
	if cap(all)-len(all) <= len(all)/4 {
		return all
	}
	return append(make([]imagecore.Entry, 0, len(all)), all...)
}

// looksLikeImage reports whether no root file system would have such a name at
// its top.
func looksLikeImage(p string) bool {
	dir, base, ok := strings.Cut(p, "/")
	switch {
	case !ok:
		return p == "manifest.json" || p == "index.json" || p == "oci-layout" || p == "repositories"
	case dir == "blobs":
		return strings.HasPrefix(base, "sha256/") || strings.HasPrefix(base, "sha512/")
	}
	return base == "layer.tar"
}

// keep reads what may be a document or a layer of an image.
func (r *reader) keep(e *imagecore.Entry, s *tarscan.Scanner) error {
	if e.Kind != imagecore.File || e.Sparse != nil || e.Size == 0 || !mayMatter(e.Path) {
		return nil
	}
	in := bufio.NewReaderSize(s.Content(), 4096)
	head, _ := in.Peek(512)
	if trimmed := bytes.TrimLeft(head, " \t\r\n"); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		l := r.o.Limits.Document
		if e.Size > l || r.docBytes+e.Size > 2*l {
			return nil
		}
		b := make([]byte, e.Size)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil // the scan will say that the archive ends early
		}
		r.docs[e.Path] = b
		r.docBytes += e.Size
		return nil
	}
	if codec.Detect(head) == codec.None && !tarscan.IsHeader(head) {
		return nil
	}
	b := &blob{file: outer.File{Path: e.Path, Offset: e.DataOffset, Size: e.Size}}
	b.err = r.scanStream(b, in)
	r.blobs[e.Path] = b
	return r.stopped
}

// mayMatter reports whether a file's path is one that manifests refer to.
func mayMatter(p string) bool {
	if strings.HasPrefix(p, "blobs/") {
		return true
	}
	_, base, ok := strings.Cut(p, "/")
	return !ok || base == "layer.tar" || base == "json"
}

// counted counts what is read, and may hash it.
type counted struct {
	r    io.Reader
	n    int64
	hash io.Writer
	told func(n int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if c.told != nil {
		c.told(c.n)
	}
	return n, err
}

// drain reads to the end.
func (r *reader) drain(src io.Reader) error {
	buf := make([]byte, 64<<10)
	for i := 0; ; i++ {
		if i%16 == 0 {
			if err := r.tick(); err != nil {
				return err
			}
		}
		if _, err := src.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
