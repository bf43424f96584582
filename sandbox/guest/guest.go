package guest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Host is what the guest may do: read the one archive, hand results out, and
// ask whether to go on.
type Host interface {
	// ReadAt reads like io.ReaderAt; handle is the request's.
	ReadAt(handle int32, p []byte, offset int64) (int, error)
	// Emit hands p out; p is valid during the call only.
	Emit(kind Kind, p []byte)
	// Tick tells the progress in bytes; true asks to stop.
	Tick(done, total int64) bool
}

// Guest serves the requests of one host, one after the other. It keeps the
// archive that it surveyed last.
type Guest struct {
	host Host
	arch *archive.Archive
}

// New returns a guest of host.
func New(host Host) *Guest { return &Guest{host: host} }

// contentPiece is how many bytes one Emit of content carries at most: small
// beside the guest's memory, large beside the cost of a call.
const contentPiece = 1 << 20

// Run does the request, JSON of Request. It returns 0, or 1 after it has
// emitted an error.
func (g *Guest) Run(request []byte) int32 {
	if err := g.run(request); err != nil {
		b, merr := json.Marshal(FailureOf(err))
		if merr != nil {
			b = []byte(`{"kind":"invalid","code":"internal","args":null,"message":"an error that JSON cannot hold","layer":-1,"entry":"","offset":-1}`)
		}
		g.host.Emit(KindError, b)
		return 1
	}
	return 0
}

func (g *Guest) run(request []byte) error {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return badRequest("request is not JSON: " + err.Error())
	}
	switch r.Op {
	case "account":
		return g.account(request)
	case "dockerfile":
		return g.dockerfile(request)
	case "survey":
		return g.survey(r)
	case "index":
		return g.index(r)
	case "content":
		return g.content(r)
	case "flatten":
		return g.flatten(r)
	case "elf":
		return g.elf(r)
	case "command":
		return g.command(r)
	case "read":
		return g.read(r)
	}
	return badRequest("unknown operation " + r.Op)
}

func badRequest(message string) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-request", message)
}

func (g *Guest) survey(r Request) error {
	if r.Size < 0 {
		return badRequest("negative size")
	}
	g.arch = nil
	lens, err := tree.ParseLens(r.Lens)
	if err != nil {
		return err
	}
	p := &progress{host: g.host, total: r.Size}
	o := archive.Options{Limits: *r.Limits, Access: tarscan.Browser(), Tick: p.tick, Progress: p.set}
	if r.Access == AccessFile {
		o.Access = tarscan.Access{}
	}
	a, err := survey.Run(source{g.host, r.Handle}, r.Size, o, lens, emitter{g.host})
	if err != nil {
		return err
	}
	g.arch = a
	return nil
}

// layers are those of an image of the archive that was surveyed, which what was
// asked for needs.
func (g *Guest) layers(asked string, image int) ([]imagecore.Layer, error) {
	if g.arch == nil {
		return nil, badRequest(asked + " was asked for before a survey")
	}
	images := g.arch.Report().Images
	if image < 0 || image >= len(images) {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "image-not-found", "no such image")
	}
	return images[image].Layers, nil
}

// layered is layers where one of them is asked for.
func (g *Guest) layered(asked string, image, layer int) ([]imagecore.Layer, error) {
	list, err := g.layers(asked, image)
	if errors.Is(err, imagecore.ErrNotFound) || err == nil && (layer < 0 || layer >= len(list)) {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "layer-not-found", "no such layer")
	}
	return list, err
}

func (g *Guest) index(r Request) error {
	if _, err := g.layers("an index", r.Image); err != nil {
		return err
	}
	lens, err := tree.ParseLens(r.Lens)
	if err != nil {
		return err
	}
	b, err := survey.Index(g.arch, r.Image, lens)
	if err != nil {
		return err
	}
	return emitter{g.host}.Index(r.Image, b)
}

func (g *Guest) content(r Request) error {
	if _, err := g.layered("content", r.Image, r.Layer); err != nil {
		return err
	}
	src, size, err := g.arch.LayerAt(r.Image, r.Layer)
	if err != nil {
		return err
	}
	if r.Offset < 0 || r.Size < 0 || r.Offset > size || r.Size > size-r.Offset {
		return imagecore.NewError(imagecore.ErrNotFound, "content-outside", "no such bytes in the layer").In(r.Layer)
	}
	buf := make([]byte, min(contentPiece, r.Size))
	for done := int64(0); done < r.Size; {
		if g.host.Tick(done, r.Size) {
			return canceled()
		}
		piece := buf[:min(int64(len(buf)), r.Size-done)]
		n, err := src.ReadAt(piece, r.Offset+done)
		if n < len(piece) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		g.host.Emit(KindContent, piece)
		done += int64(n)
	}
	return nil
}

// flatten emits the merged tree of an image as one tar.
func (g *Guest) flatten(r Request) error {
	layers, err := g.layers("a tree", r.Image)
	if err != nil {
		return err
	}
	t, err := tree.Build(layers, tree.Spec)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(&emitting{host: g.host}, contentPiece)
	if err := pack.Flatten(w, t.Top(), contents.Of(g.arch, r.Image)); err != nil {
		return err
	}
	return w.Flush()
}

// emitting emits what is written to it.
type emitting struct {
	host Host
	done int64 // bytes
}

func (c *emitting) Write(p []byte) (int, error) {
	if c.host.Tick(c.done, 0) {
		return 0, canceled()
	}
	c.host.Emit(KindContent, p)
	c.done += int64(len(p))
	return len(p), nil
}

func canceled() error {
	return imagecore.NewError(imagecore.ErrCanceled, "canceled", "stopped on request")
}

// source is the archive as an io.ReaderAt.
type source struct {
	host   Host
	handle int32
}

func (s source) ReadAt(p []byte, off int64) (int, error) { return s.host.ReadAt(s.handle, p, off) }

// progress joins imagecore's two callbacks into the host's one.
type progress struct {
	host        Host
	done, total int64
}

func (p *progress) set(done, total int64) { p.done, p.total = done, total }

func (p *progress) tick() error {
	if p.host.Tick(p.done, p.total) {
		return canceled()
	}
	return nil
}

// emitter is the survey's sink.
type emitter struct{ host Host }

func (e emitter) Report(b []byte) error {
	e.host.Emit(KindReport, b)
	return nil
}

func (e emitter) Index(image int, b []byte) error {
	// The number goes before the bytes in one piece: one Emit is one result.
	p := make([]byte, 4, 4+len(b))
	binary.LittleEndian.PutUint32(p, uint32(image))
	e.host.Emit(KindIndex, append(p, b...))
	return nil
}
