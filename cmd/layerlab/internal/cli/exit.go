package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/layerlab/layerlab/imagecore"
)

// Exit codes of every command.
const (
	exitDone     = 0
	exitNo       = 1 // the answer is "no"
	exitUsage    = 2
	exitRefused  = 3 // the input is malformed, over a limit, or of a kind that is not read
	exitNotFound = 4
	exitHost     = 5 // the host can't
	exitStopped  = 130
)

// errNo is the answer "no": exit code 1 without a message.
var errNo = errors.New("no")

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// exitCode maps what a command returned to its exit code.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	// The kinds say more than the causes beneath them: an image that is
	// malformed because it names an absent file is refused, not "not found".
	if e, ok := errors.AsType[*imagecore.Error](err); ok {
		switch e.Kind {
		case imagecore.ErrInvalid, imagecore.ErrTooLarge, imagecore.ErrUnsupported:
			return exitRefused
		case imagecore.ErrNotFound:
			return exitNotFound
		case imagecore.ErrAmbiguous:
			return exitUsage
		case imagecore.ErrCanceled:
			return exitStopped
		case imagecore.ErrHost, imagecore.ErrExists, imagecore.ErrConflict:
			return exitHost
		}
	}
	switch {
	case errors.Is(err, errNo):
		return exitNo
	case errors.Is(err, context.Canceled), errors.Is(err, imagecore.ErrCanceled):
		return exitStopped
	case errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	}
	// What the system refused is the host's; all else came from the input.
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return exitHost
	}
	if _, ok := errors.AsType[*os.SyscallError](err); ok {
		return exitHost
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return exitHost
	}
	return exitRefused
}
