//go:build linux

package unpack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/confine"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// Descriptors of the process; the tars follow.
const (
	folderFile  = confine.FirstFile
	answersFile = confine.FirstFile + 1
	firstTar    = confine.FirstFile + 2
)

// job is what the process reads first, as one line of JSON; the list follows.
type job struct {
	Shift uint32   `json:"shift,omitempty"`
	Tars  []source `json:"tars"` // in the order of their descriptors
}

// source is where the tar of a layer lies in its file.
type source struct {
	Layer  int   `json:"layer"`
	Offset int64 `json:"offset"`
	Size   int64 `json:"size"` // bytes
}

// answer is a line of JSON.
type answer struct {
	Written int64            `json:"written,omitempty"` // bytes so far
	Path    []byte           `json:"path,omitempty"`    // of what could not have the attribute
	Xattr   []byte           `json:"xattr,omitempty"`
	Done    bool             `json:"done,omitempty"`
	Failure *confine.Failure `json:"failure,omitempty"`
}

// progressEvery keeps progress from being more than the work.
const progressEvery = 50 * time.Millisecond

// Main is the process: `layerlab-runtime unpack`. It returns its exit code.
func Main() int {
	// What it keeps are lists of folders: a few collections are enough.
	debug.SetGCPercent(400)
	out := json.NewEncoder(os.NewFile(answersFile, "answers"))
	if err := serve(bufio.NewReaderSize(os.Stdin, 256<<10), out); err != nil {
		_ = out.Encode(answer{Failure: confine.FailureOf(err, "unpack-failed")})
		return 1
	}
	if err := out.Encode(answer{Done: true}); err != nil {
		return 1
	}
	return 0
}

func serve(in *bufio.Reader, out *json.Encoder) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("job: %w (the server starts this, not a person)", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	tars := map[int]io.ReaderAt{}
	for i, s := range j.Tars {
		tars[s.Layer] = io.NewSectionReader(os.NewFile(uintptr(firstTar+i), "layer"), s.Offset, s.Size)
	}
	if err := Confine(); err != nil {
		return err
	}
	// Skipped and Progress are called by one goroutine at a time, each; both
	// write here.
	var mu sync.Mutex
	tell := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(a) // nobody listens: the end of the list will tell
	}
	var told time.Time
	return snapshot.Execute(context.Background(), folderFile, (&decoder{r: in}).list(), func(layer int) (io.ReaderAt, error) {
		if t := tars[layer]; t != nil {
			return t, nil
		}
		return nil, fmt.Errorf("the tar of layer %d was not given", layer)
	}, snapshot.UnpackOptions{
		Shift: j.Shift, Alone: true,
		Skipped: func(path, xattr string) { tell(answer{Path: []byte(path), Xattr: []byte(xattr)}) },
		Progress: func(done int64) {
			if now := time.Now(); now.Sub(told) >= progressEvery {
				told = now
				tell(answer{Written: done})
			}
		},
	})
}

// Confine makes the layer's folder, which is FirstFile, the root of this process
// and gives up everything else.
func Confine() error {
	unix.Umask(0)
	snapshot.Prepare()
	unix.CloseOnExec(folderFile)
	if err := confine.Enter(folderFile); err != nil {
		return err
	}
	err := confine.Self(confine.Rules{
		Capabilities: []uintptr{
			// Owners, modes and times as the image has them, in folders that the
			// image may have closed to everybody.
			unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID,
			unix.CAP_MKNOD,   // devices of the image; no container can open them (nodev)
			unix.CAP_SETFCAP, // security.capability
			// trusted.overlay.opaque, and the image's own trusted.*: xattr(7) asks
			// for it in the first user namespace. What else it allows needs calls
			// that are refused: mount, setns, unshare, bpf, ioctl …
			unix.CAP_SYS_ADMIN,
		},
		Calls: []string{
			"openat", "openat2", "mkdirat", "mknodat", "symlinkat", "linkat", "fchdir",
			"fchown", "fchownat", "fchmod", "fchmodat", "utimensat", "ftruncate", "fsetxattr", "lsetxattr", "sync_file_range",
		},
	})
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return nil
}
