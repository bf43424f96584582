package command

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/audit/ci"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Names of the commands, as people type them.
const (
	Inspect = "inspect"
	Tree    = "tree"
	Diff    = "diff"
	Why     = "why"
	Waste   = "waste"
	Find    = "find"
	Cat     = "cat"
	Flatten = "flatten"
	Convert = "convert"
	Verify  = "verify"
	CI      = "ci"
)

// Job is one command with its options. It crosses the sandbox's boundary as
// JSON. Layers count from 0; nil is "not given".
type Job struct {
	Name   string        `json:"name"`
	Image  string        `json:"image,omitempty"` // as the user named it, for titles
	Lens   tree.Lens     `json:"lens,omitempty"`
	Choice choose.Choice `json:"choice"`
	JSON   bool          `json:"json,omitempty"`

	Path   Bytes `json:"path,omitempty"`   // of why and cat, clean
	Layer  *int  `json:"layer,omitempty"`  // of tree, diff, find, cat, flatten
	Layer2 *int  `json:"layer2,omitempty"` // of diff: the second tree's
	Only   *int  `json:"only,omitempty"`   // of tree: this layer's own entries
	SHA256 bool  `json:"sha256,omitempty"` // of tree and find

	// Of inspect.
	Explain    bool  `json:"explain,omitempty"`
	History    bool  `json:"history,omitempty"`    // the Dockerfile's lines, in the text
	Dockerfile Bytes `json:"dockerfile,omitempty"` // a Dockerfile's text, "" for one made of the history

	// Of diff.
	Ref2    string `json:"ref2,omitempty"` // like Choice.Ref, for the second archive
	Summary bool   `json:"summary,omitempty"`

	// Of waste.
	NoContents bool `json:"noContents,omitempty"`
	Top        int  `json:"top,omitempty"` // paths in the text, 0 for all

	Filter   Filter    `json:"filter,omitzero"` // of find
	To       string    `json:"to,omitempty"`    // of convert: a form of package repack
	Rules    ci.Config `json:"rules,omitzero"`  // of ci
	JUnit    bool      `json:"junit,omitempty"`
	Terminal bool      `json:"terminal,omitempty"` // standard output is a terminal
}

// Filter is what find looks for; a path must meet all of it.
type Filter struct {
	Pattern Bytes  `json:"pattern,omitempty"`
	Regex   bool   `json:"regex,omitempty"`
	Size    string `json:"size,omitempty"` // "+N", "-N" or "N" bytes
	Type    string `json:"type,omitempty"`
	Setuid  bool   `json:"setuid,omitempty"`
}

// Bytes is text that need not be UTF-8; JSON has it in base64.
type Bytes string

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, []byte(b)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	*b = Bytes(raw)
	return err
}

// Check finds what makes no sense before anything is opened. Its errors are
// the user's, who typed it.
func (j *Job) Check() error {
	if j.Name == Find {
		_, err := j.Filter.compile(j.Layer)
		return err
	}
	return nil
}

// Names returns the commands.
func Names() []string {
	return []string{Inspect, Tree, Diff, Why, Waste, Find, Cat, Flatten, Convert, Verify, CI}
}

// run is a job at work.
type run struct {
	Job
	ctx      context.Context
	archives []*archive.Archive
	out      *bufio.Writer
}

// Run does a job on one archive, diff on one or two, and writes what the
// command prints to w. ok is false where the answer is "no": broken rules, a
// mismatch, a difference. ctx stops it; its error is returned then.
func Run(ctx context.Context, j Job, archives []*archive.Archive, w io.Writer) (ok bool, err error) {
	r := &run{Job: j, ctx: ctx, archives: archives, out: bufio.NewWriterSize(stoppable{ctx, w}, 64<<10)}
	if len(archives) == 0 || len(archives) > 1 && j.Name != Diff || !slices.Contains(Names(), j.Name) {
		return false, imagecore.NewError(imagecore.ErrUnsupported, "bad-request", "no such command: "+j.Name)
	}
	switch j.Name {
	case Inspect:
		ok, err = true, r.inspect()
	case Tree:
		ok, err = true, r.tree()
	case Diff:
		ok, err = r.diff()
	case Why:
		ok, err = true, r.why()
	case Waste:
		ok, err = true, r.waste()
	case Find:
		ok, err = true, r.find()
	case Cat:
		ok, err = true, r.cat()
	case Flatten:
		ok, err = true, r.flatten()
	case Convert:
		ok, err = true, r.convert()
	case Verify:
		ok, err = r.verify()
	case CI:
		ok, err = r.ci()
	}
	if ferr := r.out.Flush(); err == nil {
		err = ferr
	}
	return ok && err == nil, err
}

// encoder writes lines of JSON.
func (r *run) encoder() *json.Encoder {
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	return enc
}

// stoppable is a writer that ends with its context.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s stoppable) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}
