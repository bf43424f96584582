//go:build !page

package guest

import (
	"context"
	"encoding/json"
	"io"

	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/command"
	"github.com/layerlab/layerlab/imagecore/tarscan"
)

// command runs one archive command; what it prints goes out as it comes.
func (g *Guest) command(r Request) error {
	var j command.Job
	if err := json.Unmarshal(r.Job, &j); err != nil {
		return badRequest("job: " + err.Error())
	}
	sources := []Second{{r.Handle, r.Size}}
	if r.Second != nil {
		sources = append(sources, *r.Second)
	}
	p := &progress{host: g.host}
	for _, s := range sources {
		if s.Size < 0 {
			return badRequest("negative size")
		}
		p.total += s.Size
	}
	o := archive.Options{Limits: *r.Limits, Access: tarscan.Browser(), Tick: p.tick}
	if r.Access == AccessFile {
		o.Access = tarscan.Access{}
	}
	if r.Spools {
		all := &spools{host: g.host}
		o.Spool = func() (archive.Spool, error) { return &spool{of: all, base: all.end}, nil }
	}
	var archives []*archive.Archive
	for _, s := range sources {
		a, err := archive.Open(source{g.host, s.Handle}, s.Size, o)
		if err != nil {
			return err
		}
		defer a.Close()
		archives = append(archives, a)
	}
	ok, err := command.Run(ticking{context.Background(), p}, j, archives, output{g.host})
	if err != nil {
		return err
	}
	answer := []byte{0}
	if ok {
		answer[0] = 1
	}
	g.host.Emit(KindAnswer, answer)
	return nil
}

// ticking is a context that ends when the host says stop.
type ticking struct {
	context.Context
	progress *progress
}

// Err implements context.Context.
func (t ticking) Err() error { return t.progress.tick() }

// output is standard output.
type output struct{ host Host }

func (o output) Write(p []byte) (int, error) {
	o.host.Emit(KindOutput, p)
	return len(p), nil
}

// spools is what all spools have written: they lie one after the other, each
// written whole before the next one begins.
type spools struct {
	host Host
	end  int64 // bytes
}

// spool is the part that begins at base.
type spool struct {
	of   *spools
	base int64
	size int64 // bytes
}

func (s *spool) Write(p []byte) (int, error) {
	if s.base+s.size != s.of.end {
		return 0, badRequest("two spools were written at once")
	}
	s.of.host.Emit(KindSpool, p)
	s.size += int64(len(p))
	s.of.end += int64(len(p))
	return len(p), nil
}

func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > s.size-off
	if short {
		p = p[:s.size-off]
	}
	n, err := s.of.host.ReadAt(SpoolHandle, p, s.base+off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

func (s *spool) Close() error { return nil }
