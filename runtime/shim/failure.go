//go:build linux

package shim

import (
	"errors"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Failure is an error on its way through a socket or a file: the kind by its
// name, the rest as in fault.Error. Message is the whole trail.
type Failure struct {
	Kind    string            `json:"kind,omitempty"`
	Code    string            `json:"code"`
	Args    map[string]string `json:"args"`
	Message string            `json:"message"`
}

// Codes of failures that arise here; launch and plan have theirs.
const (
	CodeFailed         = "shim-failed"       // anything without a code of its own
	CodeNoRootfs       = "rootfs-failed"     // the overlay could not be mounted
	CodeNoProcess      = "process-not-found" // args id: no such exec'd process
	CodeNotRunning     = "container-not-running"
	CodeAlreadyStarted = "container-started" // Start of what has been started
	CodeStillRuns      = "container-running" // AckExit before the exit
	CodeExecExists     = "exec-exists"       // args id
	CodeVersion        = "shim-version"      // args want, got
	CodeBadRequest     = "shim-request"      // a client speaks nonsense
	CodeGone           = "shim-gone"         // args socket: nobody answers there
	CodeNoTrace        = "no-trace"          // args runtime: another runtime made the container
)

var kinds = [...]error{ // never changed
	fault.ErrInvalid, fault.ErrTooLarge, fault.ErrUnsupported, fault.ErrNotFound,
	fault.ErrAmbiguous, fault.ErrCanceled, fault.ErrExists, fault.ErrConflict, fault.ErrHost,
}

// failure describes an error for the wire. One that has no code of its own is
// this host's.
func failure(err error) *Failure {
	f := &Failure{Kind: fault.ErrHost.Error(), Code: CodeFailed, Args: map[string]string{}, Message: err.Error()}
	var e *fault.Error
	if errors.As(err, &e) {
		f.Code = e.Code
		if e.Args != nil {
			f.Args = e.Args
		}
	}
	for _, k := range kinds {
		if errors.Is(err, k) {
			f.Kind = k.Error()
		}
	}
	return f
}

// Err returns the failure as an error that errors.Is knows by its kind.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	kind := fault.ErrHost
	for _, k := range kinds {
		if k.Error() == f.Kind {
			kind = k
		}
	}
	e := fault.New(kind, f.Code, f.Message)
	if f.Args != nil {
		e.Args = f.Args
	}
	return e
}
