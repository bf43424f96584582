//go:build linux

package files

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/confine"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// Container is whose files are meant. Its methods may be called concurrently;
// each starts a process that ends with it.
type Container struct {
	// Executable is layerlab-runtime, sealed (sealed.Copy).
	Executable *os.File
	// Root is the container's root: RootOf of a running one, snapshot.Mount of
	// one that does not run. Both stay the caller's.
	Root *os.File
	// IDs are the container's. Owners are told and taken in its own terms.
	IDs snapshot.IDs
}

// Word is what layerlab-runtime calls Main by.
const Word = "files"

// RootOf opens the root of a running process as it sees it, mounts included.
// That the process is still the one that is meant is the caller's to know.
func RootOf(pid int) (*os.File, error) {
	root, err := os.OpenFile(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("root of process %d: %w", pid, err)
	}
	return root, nil
}

// Stat is what docker's X-Docker-Container-Path-Stat tells of a path.
type Stat struct {
	Name  string      `json:"name"`
	Size  int64       `json:"size"` // bytes
	Mode  fs.FileMode `json:"mode"`
	Mtime time.Time   `json:"mtime"`
	// LinkTarget is where a symbolic link leads within the container, as an
	// absolute path; "" for all else.
	LinkTarget string `json:"linkTarget"`
}

// Owner is a user and group in the container's terms.
type Owner struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// WriteOptions adjust Write.
type WriteOptions struct {
	// NoOverwriteDirNonDir refuses to put a folder where something else is, and
	// the other way round.
	NoOverwriteDirNonDir bool `json:"noOverwriteDirNonDir,omitempty"`
	// Owner, if set, owns whatever is written; else the archive's owners do.
	Owner *Owner `json:"owner,omitempty"`
}

// request is what the process is told on its standard input's neighbour.
type request struct {
	Op    string       `json:"op"` // stat, read, write, mkdir
	Path  []byte       `json:"path"`
	Write WriteOptions `json:"write"`
	Mode  uint32       `json:"mode,omitempty"`
}

// answer is a line of JSON. Read answers twice: with Stat before the archive,
// and with Done after it.
type answer struct {
	Stat    *Stat            `json:"stat,omitempty"`
	Done    bool             `json:"done,omitempty"`
	Failure *confine.Failure `json:"failure,omitempty"`
}

// Stat looks at a path of the container. The last component is not followed,
// unless the path ends in a slash or in "/.".
func (c Container) Stat(ctx context.Context, path string) (Stat, error) {
	p, err := c.start(ctx, request{Op: "stat", Path: []byte(path)}, nil)
	if err != nil {
		return Stat{}, err
	}
	st, err := p.stat()
	return st, p.end(err)
}

// Read gives a path as a tar, its entries named as docker names them: "etc/",
// "etc/passwd" for /etc; "./", "./passwd" for /etc/. . Contents may change while
// they are read; a file that gets shorter is an error. Who does not read to the
// end closes; closing twice is no error.
func (c Container) Read(ctx context.Context, path string) (Stat, io.ReadCloser, error) {
	p, err := c.start(ctx, request{Op: "read", Path: []byte(path)}, nil)
	if err != nil {
		return Stat{}, nil, err
	}
	st, err := p.stat()
	if err != nil {
		return Stat{}, nil, p.end(err)
	}
	return st, &reading{p: p}, nil
}

// Write unpacks a tar into a folder of the container, as docker cp does: links
// on the way lead within that folder, what is there already is replaced, but
// folders merge. Devices are refused: no container can make any.
func (c Container) Write(ctx context.Context, path string, tar io.Reader, o WriteOptions) error {
	p, err := c.start(ctx, request{Op: "write", Path: []byte(path), Write: o}, tar)
	if err != nil {
		return err
	}
	return p.end(p.done())
}

// Mkdir makes a folder of the container and those above it; what is there
// already stays as it is.
func (c Container) Mkdir(ctx context.Context, path string, mode fs.FileMode, owner Owner) error {
	p, err := c.start(ctx, request{Op: "mkdir", Path: []byte(path), Mode: uint32(mode.Perm()), Write: WriteOptions{Owner: &owner}}, nil)
	if err != nil {
		return err
	}
	return p.end(p.done())
}

// process is one that runs.
type process struct {
	ctx     context.Context // of the one call that it serves
	cmd     *exec.Cmd
	out     *os.File // the archive
	answers *json.Decoder
	pipe    *os.File // of answers
	stderr  bytes.Buffer
	release func() bool
	once    sync.Once
	result  error
}

func (c Container) start(ctx context.Context, r request, in io.Reader) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &process{ctx: ctx}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err == nil {
			theirs = append(theirs, w)
		}
		return r, w, err
	}
	out, outW, err := pipe()
	if err != nil {
		return nil, err
	}
	answers, answersW, err := pipe()
	if err != nil {
		out.Close()
		return nil, err
	}
	line, err := json.Marshal(r)
	if err != nil {
		return nil, errors.Join(err, out.Close(), answers.Close())
	}
	p.out, p.pipe, p.answers = out, answers, json.NewDecoder(answers)
	p.cmd = confine.Command(c.Executable, Word, c.IDs.UIDs, c.IDs.GIDs, c.Root, answersW)
	p.cmd.Stdin = io.MultiReader(bytes.NewReader(append(line, '\n')), reader{in})
	p.cmd.Stdout, p.cmd.Stderr = outW, &p.stderr
	// Somebody who sends an archive and stalls must not keep us once the
	// process has ended: Wait gives up the copying then.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("files of the container: start: %w", err), out.Close(), answers.Close())
	}
	p.release = context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	return p, nil
}

// reader is r, or nothing.
type reader struct{ r io.Reader }

func (r reader) Read(b []byte) (int, error) {
	if r.r == nil {
		return 0, io.EOF
	}
	return r.r.Read(b)
}

func (p *process) answer() (answer, error) {
	var a answer
	if err := p.answers.Decode(&a); err != nil {
		return a, errBroke
	}
	if a.Failure != nil {
		return a, a.Failure.Err()
	}
	return a, nil
}

// errBroke stands for a process that ended without an answer.
var errBroke = errors.New("the process broke off") // never changed

func (p *process) stat() (Stat, error) {
	a, err := p.answer()
	if err == nil && a.Stat == nil {
		err = errBroke
	}
	if err != nil {
		return Stat{}, err
	}
	return *a.Stat, nil
}

func (p *process) done() error {
	a, err := p.answer()
	if err == nil && !a.Done {
		err = errBroke
	}
	return err
}

// end waits for the process; err is what went wrong so far.
func (p *process) end(err error) error {
	p.once.Do(func() {
		if err != nil {
			_ = p.cmd.Process.Kill() // it may be waiting for somebody to read
		}
		p.out.Close()
		waitErr := p.cmd.Wait()
		p.release()
		p.pipe.Close()
		switch {
		case err == nil:
		case p.ctx.Err() != nil:
			err = p.ctx.Err()
		case errors.Is(err, errBroke):
			e := fault.New(fault.ErrHost, "files-failed", "files of the container: "+errBroke.Error())
			e.Err = waitErr
			if text := bytes.TrimSpace(p.stderr.Bytes()); len(text) > 0 {
				e.Err = fmt.Errorf("%w: %.500q", waitErr, text)
			}
			err = e
		}
		p.result = err
	})
	return p.result
}

// reading is the archive that Read gives.
type reading struct {
	p    *process
	done bool
}

func (r *reading) Read(b []byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	n, err := r.p.out.Read(b)
	if err == io.EOF {
		// Only its last word says that the archive is whole.
		if err = r.p.end(r.p.done()); err == nil {
			r.done, err = true, io.EOF
		}
	}
	return n, err
}

func (r *reading) Close() error {
	if !r.done {
		_ = r.p.end(errors.New("closed"))
		r.done = true
	}
	return nil
}
