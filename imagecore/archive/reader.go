package archive

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec/restart"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/opencontainers/go-digest"
)

// Formats, as imagecore.Source has them.
const (
	formatV1     = "docker-v1"
	formatSave   = "docker-save"
	formatHybrid = "docker-hybrid"
	formatOCI    = "oci"
	formatExport = "docker-export"
	formatRootfs = "rootfs"
)

// reader is the state of one Open.
type reader struct {
	o        Options
	files    outer.Files
	source   imagecore.Source
	found    []*image
	warnings []imagecore.Warning

	docs      map[string][]byte // documents kept while streaming, by path
	docBytes  int64
	docWeight int64            // of those parsed, see weight
	blobs     map[string]*blob // by path
	entries   int              // read so far, of all tars
	text      int64            // what Limits.Text bounds of them, bytes
	said      int              // warnings about them
	stopped   error            // what Tick returned
	total     int64            // bytes of the archive
	done      int64            // of them
	root      rootFacts        // what is known of it if it is a root file system
	restarts  *restart.Book    // of the archive and its layers
}

func newReader(o Options) *reader {
	if o.Limits == (imagecore.Limits{}) {
		o.Limits = imagecore.DefaultLimits()
	}
	return &reader{o: o, docs: map[string][]byte{}, blobs: map[string]*blob{}, restarts: restart.NewBook(o.Limits.Restarts)}
}

// window is how much of a stored stream to ask for at once.
func (r *reader) window() int { return max(r.o.Access.Window, 64<<10) }

// tick asks whether to go on. Once stopped it stays so, since a layer's scan
// within a stream may swallow the answer.
func (r *reader) tick() error {
	if r.stopped == nil && r.o.Tick != nil {
		r.stopped = r.o.Tick()
	}
	return r.stopped
}

// progress tells how far it is, never backwards.
func (r *reader) progress(done int64) {
	if done = min(done, r.total); done > r.done {
		r.done = done
		if r.o.Progress != nil {
			r.o.Progress(done, r.total)
		}
	}
}

// maxSaid bounds how many warnings there are about the tars of an archive, but
// for one for each.
const maxSaid = 10_000

// scanOptions are those of a layer, or of the outer tar.
func (r *reader) scanOptions(layer bool) tarscan.Options {
	return tarscan.Options{
		Limits: r.o.Limits, Access: r.o.Access, Whiteouts: layer, Counted: r.entries, Text: r.text,
		Warnings: min(max(maxSaid-r.said, 1), 1000), Tick: r.tick,
	}
}

func (r *reader) warn(code, message string, args ...string) {
	r.warnings = append(r.warnings, warning(-1, code, message, args...))
}

func (img *image) warn(layer int, code, message string, args ...string) {
	img.warnings = append(img.warnings, warning(layer, code, message, args...))
}

func warning(layer int, code, message string, args ...string) imagecore.Warning {
	return imagecore.Warning{Code: code, Args: imagecore.Args(args...), Message: message, Layer: layer}
}

func tooLarge(code, message string, value, limit int64) *imagecore.Error {
	v, l := strconv.FormatInt(value, 10), strconv.FormatInt(limit, 10)
	return imagecore.NewError(imagecore.ErrTooLarge, code, message+" ("+v+" > "+l+")", "value", v, "limit", l)
}

// missing is a file that the archive should hold.
func missing(path, what string) *imagecore.Error {
	return imagecore.NewError(imagecore.ErrInvalid, "missing-file", what+" is not in the archive: "+strconv.Quote(path), "path", path)
}

// document returns the bytes of a small file.
func (r *reader) document(path, what string) ([]byte, error) {
	f, ok, err := r.files.Lookup(path)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing(path, what)
	}
	if l := r.o.Limits.Document; f.Size > l {
		return nil, tooLarge("document-too-large", what+" is larger than the limit", f.Size, l).At(path, -1)
	}
	if b, ok := r.docs[f.Path]; ok {
		return b, nil
	}
	if all, l := r.docBytes+f.Size, 4*r.o.Limits.Document; all > l {
		return nil, tooLarge("document-too-large", "the manifests and configs together are larger than four times the limit of one", all, l).At(path, -1)
	}
	if err := r.tick(); err != nil {
		return nil, err
	}
	src, err := r.files.Open(f, 0)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	b := make([]byte, f.Size)
	if n, err := io.ReadFull(src, b); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && f.Size > 0 {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "truncated", what+" ends early",
			"want", strconv.FormatInt(f.Size, 10), "got", strconv.Itoa(n)).At(path, int64(n))
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	r.docs[f.Path] = b
	r.docBytes += f.Size
	return b, nil
}

// What parsing a document takes beside its bytes, at most, of which slices that
// grow are the half: for each object and each other value.
const (
	objectWeight = 384
	valueWeight  = 48
)

// weight is how much of memory a JSON document may take, in bytes: 16 MiB of
// "{}," become some gigabytes of structs.
func weight(raw []byte) int64 {
	n, quoted := int64(len(raw)), false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted:
			if c == '\\' {
				i++
			}
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			n += objectWeight
		case c == ',':
			n += valueWeight
		}
	}
	return n
}

// decode parses a document, unless it and those before it take too much memory.
func (r *reader) decode(path string, raw []byte, v any) error {
	limit := 2 * r.o.Limits.Document
	if r.docWeight += weight(raw); r.docWeight > limit {
		return tooLarge("document-too-complex", "the manifests and configs have more parts than fit into the limit", r.docWeight, limit).At(path, -1)
	}
	return decode(path, raw, v)
}

// decode parses a JSON document into v; errors name the document and the byte
// within it.
func decode(path string, raw []byte, v any) error {
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	at := int64(-1)
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &typ):
		at = typ.Offset
	}
	e := imagecore.NewError(imagecore.ErrInvalid, "bad-json", "malformed JSON", "path", path, "cause", err.Error()).At(path, at)
	e.Err = err
	return e
}

// add appends an image, within the limit.
func (r *reader) add(img *image) error {
	if n, l := len(r.found)+1, r.o.Limits.Images; n > l {
		return tooLarge("too-many-images", "more images than the limit", int64(n), int64(l))
	}
	r.found = append(r.found, img)
	return nil
}

// claim is what the archive says about a document's bytes.
type claim struct {
	what      string
	want, got digest.Digest
	size      int64 // bytes claimed, -1 for nothing
	bytes     int64 // bytes that are there
}

// mismatch says what is not as claimed, nil if nothing is.
func (c claim) mismatch() *imagecore.Error {
	if c.want != c.got {
		return imagecore.NewError(imagecore.ErrInvalid, "digest-mismatch",
			c.what+" has another digest than the archive says: "+c.want.String()+" is claimed, "+c.got.String()+" is there",
			"what", c.what, "want", c.want.String(), "got", c.got.String())
	}
	if c.size >= 0 && c.size != c.bytes {
		want, got := strconv.FormatInt(c.size, 10), strconv.FormatInt(c.bytes, 10)
		return imagecore.NewError(imagecore.ErrInvalid, "size-mismatch",
			c.what+" has another size than the archive says: "+want+" bytes are claimed, "+got+" are there",
			"what", c.what, "want", want, "got", got)
	}
	return nil
}

// claimed compares a document with what the archive says of it and keeps the
// answer for Verify; layer is -1 for a document. got may be "" where no digest
// was computed.
func (img *image) claimed(layer int, c claim) {
	err := c.mismatch()
	if err == nil {
		return
	}
	img.broken = append(img.broken, err.In(layer))
	img.warnings = append(img.warnings, imagecore.Warning{Code: err.Code, Args: err.Args, Message: err.Message, Layer: layer})
}

// document compares a document's bytes with their digest and size.
func (img *image) document(what string, want digest.Digest, size int64, raw []byte) {
	c := claim{what: what, size: size, bytes: int64(len(raw))}
	if want.Validate() == nil && want.Algorithm().Available() {
		c.want, c.got = want, want.Algorithm().FromBytes(raw)
	}
	img.claimed(-1, c)
}
