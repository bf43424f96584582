//go:build !linux

package cli

import (
	"context"

	"github.com/layerlab/layerlab/imagecore"
)

func defaultRun() string { return "" }

// serve refuses: containers are Linux namespaces.
func (r *run) serve(context.Context, *serveFlags) error {
	return imagecore.NewError(imagecore.ErrHost, "needs-linux",
		"serve needs Linux: run it there or in a virtual machine; the other commands work here")
}
