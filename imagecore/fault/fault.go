// Package fault holds the error that every part of layerlab reports: a kind, a
// code that the page words in the reader's language, and the place. It imports
// next to nothing, so that a program which has to start in a millisecond can
// use it; package imagecore has the same names for everybody else.
package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The kinds of errors. Test with errors.Is; the command line maps them to exit
// codes, the server to HTTP status codes.
var (
	ErrInvalid     = errors.New("invalid")     // the bytes are malformed, or lie
	ErrTooLarge    = errors.New("too large")   // a limit is crossed
	ErrUnsupported = errors.New("unsupported") // known, but not read
	ErrNotFound    = errors.New("not found")   // a name, path or layer is not there
	ErrAmbiguous   = errors.New("ambiguous")   // several answers where one is needed
	ErrCanceled    = errors.New("canceled")    // the caller asked to stop
	ErrExists      = errors.New("exists")      // the name is taken
	ErrConflict    = errors.New("conflict")    // the state of the thing forbids it now
	ErrHost        = errors.New("host")        // this host can't: no namespaces, no permission, disk full
)

// Error is what reading an archive reports: a kind, a code that the page words
// in the reader's language, and the place. Its text is a trail from the archive
// down to the byte:
//
//	layer 3 (sha256:ab12…): tar entry "etc/x" at byte 5120: path leaves the root
type Error struct {
	Kind    error             // one of the kinds above; errors.Is finds it
	Code    string            // e.g. "truncated", "escapes-root"
	Args    map[string]string // what the words of Code need
	Message string            // English, lower case, without the place
	Layer   int               // index, -1 where no layer is meant
	Entry   string            // name of the tar entry, "" where none is meant
	Offset  int64             // byte, -1 where none is meant
	Err     error             // the cause, may be nil
}

// New returns an Error without a place. args are pairs of key and value.
func New(kind error, code, message string, args ...string) *Error {
	return &Error{Kind: kind, Code: code, Message: message, Args: Args(args...), Layer: -1, Offset: -1}
}

// Args makes a map of pairs; it panics on an odd number, which is a mistake of
// the program and not of its input.
func Args(pairs ...string) map[string]string {
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// At returns a copy of e that names the entry and the byte offset.
func (e *Error) At(entry string, offset int64) *Error {
	c := *e
	c.Entry, c.Offset = entry, offset
	return &c
}

// In returns a copy of e that names the layer.
func (e *Error) In(layer int) *Error {
	c := *e
	c.Layer = layer
	return &c
}

// Error returns the trail on one line; names are quoted.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Layer >= 0 {
		fmt.Fprintf(&b, "layer %d: ", e.Layer)
	}
	if e.Entry != "" {
		fmt.Fprintf(&b, "tar entry %s", strconv.Quote(e.Entry))
		if e.Offset >= 0 {
			fmt.Fprintf(&b, " at byte %d", e.Offset)
		}
		b.WriteString(": ")
	} else if e.Offset >= 0 {
		fmt.Fprintf(&b, "at byte %d: ", e.Offset)
	}
	b.WriteString(e.Message)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
