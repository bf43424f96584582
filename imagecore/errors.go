package imagecore

import "github.com/layerlab/layerlab/imagecore/fault"

// The kinds of errors: those of package fault. Test with errors.Is; the command
// line maps them to exit codes, the server to HTTP status codes.
var (
	ErrInvalid     = fault.ErrInvalid     // the bytes are malformed, or lie
	ErrTooLarge    = fault.ErrTooLarge    // a limit is crossed
	ErrUnsupported = fault.ErrUnsupported // known, but not read
	ErrNotFound    = fault.ErrNotFound    // a name, path or layer is not there
	ErrAmbiguous   = fault.ErrAmbiguous   // several answers where one is needed
	ErrCanceled    = fault.ErrCanceled    // the caller asked to stop
	ErrExists      = fault.ErrExists      // the name is taken
	ErrConflict    = fault.ErrConflict    // the state of the thing forbids it now
	ErrHost        = fault.ErrHost        // this host can't: no namespaces, no permission, disk full
)

// Error is what reading an archive reports; see fault.Error.
type Error = fault.Error

// NewError returns an Error without a place. args are pairs of key and value.
func NewError(kind error, code, message string, args ...string) *Error {
	return fault.New(kind, code, message, args...)
}

// Args makes a map of pairs; it panics on an odd number, which is a mistake of
// the program and not of its input.
func Args(pairs ...string) map[string]string { return fault.Args(pairs...) }
