package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/command"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// Options say how a survey is confined. Zero values take the defaults.
type Options struct {
	// Command makes the command of the child, not yet started: a program that
	// calls Child. Its descriptors, environment and attributes are set here.
	Command func() *exec.Cmd
	// Cache is a folder that keeps the compiled module between runs; "" for
	// none, which costs some five seconds of processor time each time.
	Cache  string
	Limits imagecore.Limits // default imagecore.GuestLimits
	Lens   tree.Lens        // default spec
	Memory int64            // bytes of the guest's memory; default 64 MiB and 700 an entry that Limits allow
	Time   time.Duration    // of the processor; default 30 s for each GiB begun; see clock
	// Progress is told the bytes of the archive that are done.
	Progress func(done, total int64)
}

// grace is how long a child may take to stop by itself.
const grace = 2 * time.Second

const gib = 1 << 30

// defaults fills in what o leaves open.
func (o Options) defaults(size int64) Options {
	if o.Limits == (imagecore.Limits{}) {
		o.Limits = imagecore.GuestLimits()
	}
	if o.Lens == "" {
		o.Lens = tree.Spec
	}
	if o.Memory == 0 {
		o.Memory = 64<<20 + 700*int64(o.Limits.Entries)
	}
	// A guest's memory ends at 4 GiB whatever is allowed.
	o.Memory = min(o.Memory, 4*gib)
	if o.Time == 0 {
		o.Time = 30 * time.Second * time.Duration(max(1, (size+gib-1)/gib))
	}
	return o
}

// Survey does survey.Run over an archive of size bytes in the sandbox. The
// sink gets what the child hands out, in the same order and the same bytes.
//
// Errors of the archive come as *imagecore.Error, as if read natively. Beyond
// them: ErrTooLarge, codes "sandbox-time" and "sandbox-memory"; ErrHost, code
// "sandbox-failed", where the child could not be confined or broke down.
func Survey(ctx context.Context, archive *os.File, size int64, o Options, sink survey.Sink) error {
	o = o.defaults(size)
	return work(ctx, o, o.job(size), []*os.File{archive}, func(kind guest.Kind, p []byte) error {
		switch kind {
		case guest.KindReport:
			return sink.Report(p)
		case guest.KindIndex:
			if len(p) < 4 {
				return io.ErrUnexpectedEOF
			}
			return sink.Index(int(binary.LittleEndian.Uint32(p)), p[4:])
		}
		return nonsense(kind)
	})
}

// Prepare translates the module into Options.Cache, so that the first archive
// does not wait for it. Errors are ErrHost, code "sandbox-failed".
func Prepare(ctx context.Context, o Options) error {
	o = o.defaults(0)
	j := o.job(0)
	j.Prepare = true
	return work(ctx, o, j, nil, func(kind guest.Kind, _ []byte) error { return nonsense(kind) })
}

// File is an archive for Run.
type File struct {
	File *os.File
	Size int64 // bytes
}

// Run does command.Run in the sandbox: the same bytes go to w, and the answer
// is the same. spool is an empty file, open for reading and writing, that
// compressed layers are unpacked into; Options.Limits.Layer bounds it. Errors
// are those of Survey; what was written to w before one is no result.
func Run(ctx context.Context, j command.Job, archives []File, spool *os.File, o Options, w io.Writer) (ok bool, err error) {
	size := int64(0)
	for _, f := range archives {
		size += f.Size
	}
	o = o.defaults(size)
	line := o.job(archives[0].Size)
	if line.Command, err = json.Marshal(j); err != nil {
		return false, err
	}
	files := []*os.File{archives[0].File, spool}
	if len(archives) > 1 {
		line.Second = &archives[1].Size
		files = append(files, archives[1].File)
	}
	answered := false
	err = work(ctx, o, line, files, func(kind guest.Kind, p []byte) error {
		switch kind {
		case guest.KindOutput:
			_, err := w.Write(p)
			return err
		case guest.KindAnswer:
			answered, ok = true, len(p) == 1 && p[0] == 1
			return nil
		}
		return nonsense(kind)
	})
	if err == nil && !answered {
		err = hostError("the sandbox answered nonsense", errors.New("no answer"))
	}
	return ok && err == nil, err
}

func nonsense(kind guest.Kind) error {
	return hostError("the sandbox answered nonsense", fmt.Errorf("a piece of kind %d", kind))
}

// job is what all jobs have in common.
func (o Options) job(size int64) job {
	return job{
		Size: size, Lens: string(o.Lens), Limits: o.Limits, Memory: o.Memory,
		Seconds: int64(o.Time/time.Second) + 1, Cache: o.Cache,
	}
}

// work runs one job; take gets what the guest hands out. files are the child's
// descriptors from 3 on.
func work(ctx context.Context, o Options, j job, files []*os.File, take func(guest.Kind, []byte) error) error {
	for _, size := range []*int64{&j.Size, j.Second} {
		if size != nil && *size > o.Limits.Archive {
			return imagecore.NewError(imagecore.ErrTooLarge, "archive-too-large",
				fmt.Sprintf("the archive is longer than %d bytes", o.Limits.Archive), "limit", fmt.Sprint(o.Limits.Archive))
		}
	}
	c, err := start(j, files, o)
	if err != nil {
		return err
	}
	defer c.input.Close()

	var overstayed, stopped atomic.Bool
	c.clock = newClock(c.cmd.Process.Pid, o.Time, func() {
		overstayed.Store(true)
		c.stop()
	})
	defer c.clock.end()
	release := context.AfterFunc(ctx, func() {
		stopped.Store(true)
		c.stop()
	})
	defer release()

	err = c.receive(o, take)
	c.kill.Stop()
	if err != nil {
		// What the child does now interests nobody.
		_ = c.cmd.Process.Kill()
	}
	waitErr := c.cmd.Wait()
	switch {
	case stopped.Load() && err != nil:
		return ctx.Err()
	case overstayed.Load() && err != nil:
		return imagecore.NewError(imagecore.ErrTooLarge, "sandbox-time",
			fmt.Sprintf("reading takes longer than %s: raise --limit-time, or read it outside of the sandbox", o.Time), "limit", o.Time.String())
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return c.brokeDown(waitErr, o)
	}
	return err
}

// child is the running process.
type child struct {
	cmd    *exec.Cmd
	input  io.Closer // its end asks the child to stop
	output io.Reader
	stderr *head
	kill   *time.Timer
	clock  *clock
}

func start(j job, files []*os.File, o Options) (*child, error) {
	line, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: o.Command(), stderr: &head{limit: 4 << 10}}
	c.cmd.Env = []string{}
	c.cmd.ExtraFiles = files // descriptors from 3 on
	c.cmd.Stderr = c.stderr
	confine(c.cmd)
	input, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, hostError("start the sandbox", err)
	}
	c.input, c.output = input, bufio.NewReaderSize(output, 256<<10)
	// Stopped: a timer that only stop sets off.
	c.kill = time.AfterFunc(time.Hour, func() { _ = c.cmd.Process.Kill() })
	c.kill.Stop()
	if _, err := input.Write(append(line, '\n')); err != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		return nil, hostError("tell the sandbox its job", err)
	}
	return c, nil
}

// stop asks the child to stop, and kills it if it has not a while later.
func (c *child) stop() {
	_ = c.input.Close()
	c.kill.Reset(grace)
}

// receive hands on what the child sends until it is done.
func (c *child) receive(o Options, take func(guest.Kind, []byte) error) error {
	taken := int64(0)
	for {
		kind, p, err := readFrame(c.output, o.Memory)
		if err != nil {
			return err
		}
		switch kind {
		case frameProgress:
			if o.Progress != nil && len(p) == 16 {
				o.Progress(int64(binary.LittleEndian.Uint64(p)), int64(binary.LittleEndian.Uint64(p[8:])))
			}
		case guest.KindError:
			var f guest.Failure
			if err := json.Unmarshal(p, &f); err != nil {
				return hostError("the sandbox answered nonsense", err)
			}
			return f.Err()
		case frameBegun:
			c.clock.begin()
		case frameDone:
			return nil
		default:
			// A guest that was broken into may answer without end: what it hands
			// out to be kept lay in its memory.
			if taken += int64(len(p)); taken > o.Memory && kind != guest.KindOutput {
				return tooMuchMemory(o.Memory)
			}
			err = take(kind, p)
		}
		if err != nil {
			return err
		}
	}
}

// brokeDown words the end of a child that did not finish.
func (c *child) brokeDown(waitErr error, o Options) error {
	text := c.stderr.String()
	// Go's words in the guest: of its allocator, and of what it asks the host for.
	if strings.Contains(text, "out of memory") || strings.Contains(text, "runtime: cannot allocate memory") {
		return tooMuchMemory(o.Memory)
	}
	if waitErr == nil {
		waitErr = errors.New("it ended early")
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(text), "\n"); line != "" {
		waitErr = fmt.Errorf("%w: %s", waitErr, line)
	}
	return hostError("the sandbox broke down", waitErr)
}

func tooMuchMemory(limit int64) error {
	return imagecore.NewError(imagecore.ErrTooLarge, "sandbox-memory",
		fmt.Sprintf("reading takes more than %d bytes of memory: raise --limit-memory, or read it outside of the sandbox", limit),
		"limit", fmt.Sprint(limit))
}

func hostError(doing string, err error) error {
	e := imagecore.NewError(imagecore.ErrHost, "sandbox-failed", doing)
	e.Err = err
	return e
}

// head keeps the first bytes that are written to it.
type head struct {
	buf   bytes.Buffer
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	if room := h.limit - h.buf.Len(); room > 0 {
		h.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (h *head) String() string { return h.buf.String() }
