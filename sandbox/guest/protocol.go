package guest

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
)

// Kind says what Host.Emit hands out.
type Kind int32

const (
	KindError   Kind = 1 // JSON of Failure
	KindReport  Kind = 2 // JSON of imagecore.Report
	KindIndex   Kind = 3 // number of the image as 4 bytes little-endian, then its binary index (package index)
	KindContent Kind = 4 // bytes of a layer's tar, or of a flattened tree; a request may emit several pieces, in order
	KindOutput  Kind = 5 // bytes that a command prints; several pieces, in order
	KindAnswer  Kind = 6 // a command's answer, after its output: one byte, 1 for yes
	KindEntries Kind = 8 // entries of a layer (DecodeEntries), several in the order of their numbers
	KindInside  Kind = 9 // JSON of Inside, after all else
	KindSpool   Kind = 7 // bytes to be appended to the host's spool, to be read again by SpoolHandle
)

// SpoolHandle names the spool in Host.ReadAt: what KindSpool handed out, in its
// order, from byte 0 on.
const SpoolHandle int32 = 1000

// What a call of Host.ReadAt costs, for Request.Access.
const (
	AccessBrowser = "browser" // a millisecond each: read much at a time, skip only what is large
	AccessFile    = "file"    // microseconds each: small windows
)

// Request is what a host asks for. Numbers count from 0.
type Request struct {
	Op string `json:"op"` // "survey", "index", "content", "flatten", "elf", "command" or "read"

	// Of a survey.
	Handle int32             `json:"handle"`         // names the archive in Host.ReadAt
	Size   int64             `json:"size"`           // bytes; of the archive, or of the content that is wanted
	Lens   string            `json:"lens,omitempty"` // of an index too
	Limits *imagecore.Limits `json:"limits,omitempty"`
	Access string            `json:"access,omitempty"` // what reading costs: AccessBrowser (the default) or AccessFile

	// Of content; Image of an index and of flatten too, both numbers of elf: the
	// tree after that layer.
	Image  int   `json:"image,omitempty"`
	Layer  int   `json:"layer,omitempty"`
	Offset int64 `json:"offset,omitempty"` // bytes from the start of the layer's uncompressed tar

	// Of elf: which file.
	Path string `json:"path,omitempty"`

	// Of a command: the archive of Handle and Size, and of diff a second one.
	Job    json.RawMessage `json:"job,omitempty"` // a command.Job
	Second *Second         `json:"second,omitempty"`
	// Spools says that the host takes KindSpool; without it compressed layers
	// are unpacked again for each step back.
	Spools bool `json:"spools,omitempty"`
}

// Second is the second archive of a command.
type Second struct {
	Handle int32 `json:"handle"`
	Size   int64 `json:"size"` // bytes
}

// UnmarshalJSON fills absent limits with those of a guest, so that a host may
// name only the ones that it changes.
func (r *Request) UnmarshalJSON(b []byte) error {
	type plain Request
	limits := imagecore.GuestLimits()
	p := plain{Limits: &limits}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	if p.Limits == nil { // "limits": null
		p.Limits = &limits
	}
	*r = Request(p)
	return nil
}

// Inside is what a host needs, beside the report, to store what an archive
// holds. Documents are byte for byte, which JSON's texts are not.
type Inside struct {
	Images []InsideImage `json:"images"`
	Lists  int           `json:"lists"` // of entries
}

// InsideImage is one image of an Inside.
type InsideImage struct {
	Manifest []byte        `json:"manifest"`
	Config   []byte        `json:"config"`
	V1       [][]byte      `json:"v1,omitempty"`
	Layers   []InsideLayer `json:"layers"`
}

// InsideLayer is one layer of an image.
type InsideLayer struct {
	Entries int            `json:"entries"`         // number of the list, -1 for none
	Place   *archive.Place `json:"place,omitempty"` // nil for an absent layer
}

// Failure is an error as it crosses the boundary: imagecore.Error in JSON.
type Failure struct {
	Kind    string            `json:"kind"` // text of one of imagecore's kinds
	Code    string            `json:"code"`
	Args    map[string]string `json:"args"`
	Message string            `json:"message"` // without the place
	Layer   int               `json:"layer"`   // -1 where none is meant
	Entry   string            `json:"entry"`   // with U+FFFD for what is not UTF-8
	// EntryBytes is the entry's name where it is not UTF-8.
	EntryBytes []byte `json:"entryBytes,omitempty"`
	Offset     int64  `json:"offset"` // byte, -1 where none is meant
}

// kinds lists what errors.Is is asked, most telling first.
func kinds() []error {
	return []error{
		imagecore.ErrCanceled, imagecore.ErrTooLarge, imagecore.ErrUnsupported,
		imagecore.ErrNotFound, imagecore.ErrAmbiguous, imagecore.ErrInvalid,
	}
}

// FailureOf turns err into its JSON form. An error without a place keeps its
// whole text as Message.
func FailureOf(err error) Failure {
	if e, ok := errors.AsType[*imagecore.Error](err); ok {
		message := e.Message
		if e.Err != nil {
			message += ": " + e.Err.Error()
		}
		f := Failure{
			Kind: e.Kind.Error(), Code: e.Code, Args: e.Args, Message: message,
			Layer: e.Layer, Entry: e.Entry, Offset: e.Offset,
		}
		if !utf8.ValidString(e.Entry) {
			f.EntryBytes = []byte(e.Entry)
		}
		return f
	}
	f := Failure{Kind: imagecore.ErrInvalid.Error(), Code: "internal", Message: err.Error(), Layer: -1, Offset: -1}
	for _, k := range kinds() {
		if errors.Is(err, k) {
			f.Kind = k.Error()
			break
		}
	}
	return f
}

// Err is the way back: an error of the same kind, code and place.
func (f Failure) Err() error {
	e := &imagecore.Error{
		Kind: imagecore.ErrInvalid, Code: f.Code, Args: f.Args, Message: f.Message,
		Layer: f.Layer, Entry: f.Entry, Offset: f.Offset,
	}
	if f.EntryBytes != nil {
		e.Entry = string(f.EntryBytes)
	}
	for _, k := range kinds() {
		if k.Error() == f.Kind {
			e.Kind = k
		}
	}
	return e
}
