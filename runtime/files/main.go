//go:build linux

package files

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/confine"
)

// Descriptors of the process.
const (
	rootFile    = confine.FirstFile
	answersFile = confine.FirstFile + 1
)

// Main is the process: `layerlab-runtime files`. It serves the one request that
// it finds on its standard input and returns its exit code.
func Main() int {
	answers := os.NewFile(answersFile, "answers")
	w := json.NewEncoder(answers)
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	if err := serve(in, func(a answer) error { return w.Encode(a) }); err != nil {
		_ = w.Encode(answer{Failure: confine.FailureOf(err, "files-failed")})
		return 1
	}
	if err := w.Encode(answer{Done: true}); err != nil {
		return 1
	}
	return 0
}

func serve(in *bufio.Reader, tell func(answer) error) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("request: %w (the server starts this, not a person)", err)
	}
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	t, err := enter()
	if err != nil {
		return err
	}
	path := string(r.Path)
	switch r.Op {
	case "stat":
		return t.tellStat(path, tell)
	case "read":
		return t.read(path, os.Stdout, tell)
	case "write":
		return t.write(path, in, r.Write)
	case "mkdir":
		return t.mkdir(path, r.Mode, *r.Write.Owner)
	}
	return fault.New(fault.ErrInvalid, "bad-request", "unknown operation "+r.Op)
}

// enter makes the container's root ours, and gives up everything else.
func enter() (*top, error) {
	// By its own entries there a descriptor can be opened again, without a path
	// in the container; nobody else's number is ever asked for.
	own, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/proc/self/fd", Err: err}
	}
	unix.CloseOnExec(rootFile)
	unix.Umask(0)
	if err := confine.Enter(rootFile); err != nil {
		return nil, err
	}
	err = confine.Self(confine.Rules{
		// Within the container's user namespace these reach the container's
		// files alone: owners, modes, and security.capability of what is copied.
		Capabilities: []uintptr{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_SETFCAP},
		Calls: []string{
			"openat", "openat2", "newfstatat", "fstatfs", "getdents64", "readlinkat",
			"mkdirat", "mknodat", "symlinkat", "linkat", "unlinkat",
			"fchown", "fchownat", "fchmod", "utimensat", "ftruncate",
			"flistxattr", "fgetxattr", "fsetxattr",
			"splice", "copy_file_range", "sendfile", // what io.Copy tries
		},
		Memory: 1 << 30,
	})
	if err != nil {
		return nil, fmt.Errorf("confine: %w", err)
	}
	return &top{root: rootFile, own: own}, nil
}
