package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
)

func TestExitCodes(t *testing.T) {
	absent := &imagecore.Error{Kind: imagecore.ErrInvalid, Code: "missing-file", Err: fs.ErrNotExist, Layer: -1, Offset: -1}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errNo, 1},
		{usageError{errors.New("x")}, 2},
		{imagecore.NewError(imagecore.ErrAmbiguous, "several-images", "x"), 2},
		{imagecore.NewError(imagecore.ErrInvalid, "truncated", "x"), 3},
		{imagecore.NewError(imagecore.ErrTooLarge, "ratio", "x"), 3},
		{fmt.Errorf("image 1: %w", imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format", "x")), 3},
		{absent, 3},
		{imagecore.NewError(imagecore.ErrNotFound, "image-not-found", "x"), 4},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, 4},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, 5},
		{os.NewSyscallError("unshare", syscall.EPERM), 5},
		{imagecore.NewError(imagecore.ErrHost, "needs-linux", "x"), 5},
		{context.Canceled, 130},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.err, got, c.want)
		}
	}
}

func TestErrorsStayOnOneLine(t *testing.T) {
	if got, want := oneLine("a\nb\x1b[2J 你好 \"q\"\n"), `a; b\x1b[2J 你好 "q"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
