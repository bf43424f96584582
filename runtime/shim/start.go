//go:build linux

package shim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/outlast"
)

// Start spawns a shim that lives on without us, and returns when it has created
// the container: the command has been found, nothing of it runs yet. The error
// is the shim's; then nothing is left of shim, mount and cgroup. When ctx ends
// before, the shim cleans up by itself.
func Start(ctx context.Context, o Options) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs, err := handover()
	if err != nil {
		return nil, fmt.Errorf("start shim: %w", err)
	}
	defer ours.Close()
	stderr, err := os.OpenFile(filepath.Join(o.Bundle, "shim.log"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		theirs.Close()
		return nil, fmt.Errorf("start shim: %w", err)
	}
	defer stderr.Close()
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", executableFD), "shim")
	cmd.Args[0] = "layerlab-runtime"
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stderr = stderr
	cmd.ExtraFiles = []*os.File{theirs, o.Executable} // 3 and 4
	err = outlast.Start(cmd)
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("start shim: %w", err)
	}
	// It ends long after this call; while we live it is our child to reap.
	go cmd.Wait()
	release := context.AfterFunc(ctx, func() { ours.Close() })
	defer release()
	err = writeJSON(ours, frameRequest, &o)
	if err == nil {
		err = sendSources(ours.(*net.UnixConn), o.Mounts)
	}
	if err == nil {
		err = readJSON(ours, frameAnswer, &struct{}{})
	}
	if err == nil { // it waits for this: see agree
		err = writeFrame(ours, frameEnd, 0, nil)
	}
	var failed *fault.Error
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &failed):
		return nil, failed
	default:
		return nil, fmt.Errorf("start shim: it broke off: %w%s", err, lastWords(stderr))
	}
	return &Client{socket: o.Socket}, nil
}

// handover is a pair of sockets: options in, result out.
func handover() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	mine := os.NewFile(uintptr(fds[0]), "handover")
	theirs = os.NewFile(uintptr(fds[1]), "handover")
	ours, err = net.FileConn(mine)
	err = errors.Join(err, mine.Close())
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// lastWords quotes what a shim that died said on its standard error.
func lastWords(stderr *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(stderr, 0, 2000))
	b = bytes.TrimSpace(b)
	if err != nil || len(b) == 0 {
		return ""
	}
	for !utf8.Valid(b) && len(b) > 0 {
		b = b[:len(b)-1]
	}
	return fmt.Sprintf(" (%q)", b)
}
