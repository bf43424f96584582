//go:build linux

package confine

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Failure is an error on its way from a confined process to the one that
// started it.
type Failure struct {
	Kind    string            `json:"kind"`
	Code    string            `json:"code"`
	Args    map[string]string `json:"args,omitempty"`
	Message string            `json:"message"`
	Layer   int               `json:"layer"`
	Entry   string            `json:"entry,omitempty"`
	Offset  int64             `json:"offset"`
	Errno   int               `json:"errno,omitempty"` // of the system call that failed
}

// FailureOf describes an error; code is that of one which has none.
func FailureOf(err error, code string) *Failure {
	f := &Failure{Kind: fault.ErrHost.Error(), Code: code, Message: err.Error(), Layer: -1, Offset: -1}
	if errors.Is(err, fs.ErrNotExist) {
		f.Kind = fault.ErrNotFound.Error()
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		f.Code, f.Args, f.Kind = e.Code, e.Args, e.Kind.Error()
		if text := error(e); text.Error() == f.Message { // else the trail has the place already
			bare := *e
			bare.Layer, bare.Entry, bare.Offset = -1, "", -1
			f.Message, f.Layer, f.Entry, f.Offset = bare.Error(), e.Layer, e.Entry, e.Offset
		}
	}
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		f.Errno = int(errno)
	}
	return f
}

// Err is the error as the process had it: its kind, code and errno are found by
// errors.Is and errors.AsType.
func (f *Failure) Err() error {
	kind := fault.ErrHost
	for _, k := range []error{
		fault.ErrInvalid, fault.ErrTooLarge, fault.ErrUnsupported, fault.ErrNotFound,
		fault.ErrAmbiguous, fault.ErrCanceled, fault.ErrExists, fault.ErrConflict,
	} {
		if k.Error() == f.Kind {
			kind = k
		}
	}
	e := fault.New(kind, f.Code, f.Message)
	if f.Args != nil {
		e.Args = f.Args
	}
	e.Layer, e.Entry, e.Offset = f.Layer, f.Entry, f.Offset
	if f.Errno != 0 {
		return &numbered{e, unix.Errno(f.Errno)}
	}
	return e
}

// numbered is an error whose text has the errno's words already.
type numbered struct {
	fault *fault.Error
	errno unix.Errno
}

func (n *numbered) Error() string   { return n.fault.Error() }
func (n *numbered) Unwrap() []error { return []error{n.fault, n.errno} }
