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
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/splice"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// Descriptors of the child.
const (
	archiveFile = 3
	spoolFile   = 4
	secondFile  = 5
)

// Child is the other side of Survey: it does one job with module, the bytes of
// imagecore.wasm, and returns the exit code of its process. Standard input is
// the job, standard output the results, descriptor 3 the archive; of a command
// or a reading also 4, the spool, of a command 5, a second archive; of a reading
// from 5 on the other files that hold the archive.
func Child(module []byte) int {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		fmt.Fprintln(os.Stderr, "no job on standard input")
		return 2
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		fmt.Fprintln(os.Stderr, "job:", err)
		return 2
	}
	w := &worker{job: j, archive: j.archive(), out: bufio.NewWriterSize(os.Stdout, 256<<10)}
	if j.Command != nil || j.Read {
		w.spool = os.NewFile(spoolFile, "spool")
	}
	if j.Second != nil {
		w.second = os.NewFile(secondFile, "second archive")
	}
	// Whatever comes now, and be it the end, asks to stop.
	go func() {
		_, _ = in.ReadByte()
		if j.Prepare {
			os.Exit(1) // nobody asks before the module is translated
		}
		w.stop.Store(true)
	}()
	ctx := context.Background()
	if err := w.run(ctx, module); err != nil {
		fmt.Fprintln(os.Stderr, err)
		_ = w.out.Flush()
		return 1
	}
	if err := errors.Join(writeFrame(w.out, frameDone, nil), w.out.Flush()); err != nil {
		return 1
	}
	return 0
}

// archive is what is read.
func (j *job) archive() io.ReaderAt {
	if len(j.Runs) == 0 {
		return os.NewFile(archiveFile, "archive")
	}
	files := map[int]*os.File{}
	runs := make([]splice.Run, 0, len(j.Runs))
	for _, r := range j.Runs {
		if files[r.File] == nil {
			files[r.File] = os.NewFile(uintptr(r.File), "archive")
		}
		runs = append(runs, splice.Run{From: files[r.File], At: r.At, Size: r.Size})
	}
	return splice.New(runs)
}

// worker is the host of one guest.
type worker struct {
	job     job
	archive io.ReaderAt
	second  io.ReaderAt // nil where there is none
	spool   *os.File    // of commands
	spooled int64       // bytes
	out     *bufio.Writer
	stop    atomic.Bool
	inside  []byte // of KindInside, to be unpacked
	failed  error  // of writing results
	told    time.Time
}

// progressEvery keeps progress from being more than the results.
const progressEvery = 50 * time.Millisecond

func (w *worker) run(ctx context.Context, module []byte) error {
	config := wazero.NewRuntimeConfigCompiler().
		WithMemoryLimitPages(uint32(w.job.Memory >> 16)).
		WithDebugInfoEnabled(false)
	if w.job.Cache != "" {
		cache, err := wazero.NewCompilationCacheWithDir(w.job.Cache)
		if err != nil {
			return fmt.Errorf("compile cache: %w", err)
		}
		config = config.WithCompilationCache(cache)
	}
	r := wazero.NewRuntimeWithConfig(ctx, config)
	compiled, err := r.CompileModule(experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)), module)
	if err != nil {
		return fmt.Errorf("compile the module: %w", err)
	}
	if w.job.Prepare {
		return nil
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return err
	}
	if _, err := r.NewHostModuleBuilder("layerlab").
		NewFunctionBuilder().WithFunc(w.readAt).Export("read_at").
		NewFunctionBuilder().WithFunc(w.emit).Export("emit").
		NewFunctionBuilder().WithFunc(w.tick).Export("tick").
		Instantiate(ctx); err != nil {
		return err
	}

	// From here on untrusted bytes are read: no way back out.
	debug.SetMemoryLimit(w.job.Memory + 256<<20)
	spool := int64(0)
	if w.spool != nil {
		spool = w.job.spoolLimit()
	}
	if err := lockDown(w.job.Memory, w.job.Seconds, spool); err != nil {
		return fmt.Errorf("lock down: %w", err)
	}

	if err := errors.Join(writeFrame(w.out, frameBegun, nil), w.out.Flush()); err != nil {
		return err
	}

	stderr := &head{limit: 4 << 10}
	mod, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().
		WithStartFunctions("_initialize").WithStderr(stderr).WithSysWalltime().WithSysNanotime().
		// Go's collector knows no end of a guest's memory, and lets the heap double
		// on the way there.
		WithEnv("GOMEMLIMIT", strconv.FormatInt(w.job.Memory/2, 10)))
	if err != nil {
		return w.trapped(err, stderr.String())
	}
	request, err := json.Marshal(w.job.request())
	if err != nil {
		return err
	}
	if err := call(ctx, mod, request); err != nil {
		return w.trapped(err, stderr.String())
	}
	if w.failed == nil && w.inside != nil {
		return w.unpack()
	}
	return w.failed
}

// spoolLimit bounds the spool, in bytes.
func (j *job) spoolLimit() int64 {
	if j.Read {
		return j.Limits.Layer + j.Limits.Archive // the archive may be compressed, too
	}
	return j.Limits.Layer
}

// request is what the guest is asked for.
func (j *job) request() guest.Request {
	r := guest.Request{Op: "survey", Size: j.Size, Lens: j.Lens, Limits: &j.Limits, Access: guest.AccessFile}
	if j.Command != nil {
		r.Op, r.Job, r.Spools = "command", j.Command, true
	}
	if j.Read {
		r.Op = "read"
	}
	if j.Second != nil {
		r.Second = &guest.Second{Handle: secondHandle, Size: *j.Second}
	}
	return r
}

// secondHandle names the second archive in read_at; the first is 0.
const secondHandle = 1

// call passes one request to the guest. That the guest refused it is no error
// here: it has emitted why.
func call(ctx context.Context, mod api.Module, request []byte) error {
	ptr, err := mod.ExportedFunction("alloc").Call(ctx, uint64(len(request)))
	if err != nil {
		return err
	}
	if !mod.Memory().Write(uint32(ptr[0]), request) {
		return errors.New("the module has no memory where alloc said")
	}
	_, err = mod.ExportedFunction("run").Call(ctx, ptr[0], uint64(len(request)))
	return err
}

// trapped words the end of a guest that broke down. Want of memory is the
// archive's fault and reported as such.
func (w *worker) trapped(err error, stderr string) error {
	if w.failed != nil {
		return w.failed
	}
	var exit *sys.ExitError
	if strings.Contains(stderr, "out of memory") || errors.As(err, &exit) && strings.Contains(stderr, "cannot allocate") {
		b, merr := json.Marshal(guest.FailureOf(tooMuchMemory(w.job.Memory)))
		if merr != nil {
			return merr
		}
		return writeFrame(w.out, guest.KindError, b)
	}
	if first, _, _ := strings.Cut(stderr, "\n"); first != "" {
		return fmt.Errorf("the module broke down: %s", first)
	}
	return fmt.Errorf("the module broke down: %w", err)
}

// The three imports of the module; see package guest.

func (w *worker) readAt(_ context.Context, m api.Module, handle uint32, offset uint64, ptr, n uint32) int32 {
	buf, ok := m.Memory().Read(ptr, n)
	src, size := w.file(handle)
	if !ok || src == nil || int64(offset) < 0 {
		return -1
	}
	// Not beyond the size that the parent gave, should the file have grown.
	left := size - int64(offset)
	if left <= 0 {
		return 0
	}
	read, err := src.ReadAt(buf[:min(int64(n), left)], int64(offset))
	if err != nil && !errors.Is(err, io.EOF) {
		return -1
	}
	return int32(read)
}

// file is what a handle names, nil for nothing.
func (w *worker) file(handle uint32) (src io.ReaderAt, size int64) {
	switch {
	case handle == 0:
		return w.archive, w.job.Size
	case handle == secondHandle && w.second != nil:
		return w.second, *w.job.Second
	case handle == uint32(guest.SpoolHandle) && w.spool != nil:
		return w.spool, w.spooled
	}
	return nil, 0
}

func (w *worker) emit(_ context.Context, m api.Module, kind, ptr, n uint32) {
	p, ok := m.Memory().Read(ptr, n)
	switch {
	case w.failed != nil:
	case !ok:
		w.failed = errors.New("the module handed out memory that it does not have")
	case guest.Kind(kind) != guest.KindSpool:
		if guest.Kind(kind) == guest.KindInside && w.job.Read {
			w.inside = bytes.Clone(p)
		}
		w.failed = writeFrame(w.out, guest.Kind(kind), p)
	case w.spool == nil:
		w.failed = errors.New("the module spooled, though nobody said that it may")
	case w.spooled+int64(len(p)) > w.job.Limits.Layer:
		w.refuse(imagecore.NewError(imagecore.ErrTooLarge, "layer-too-large",
			fmt.Sprintf("the layers take more than %d bytes, unpacked: raise --limit-layer", w.job.Limits.Layer), "limit", fmt.Sprint(w.job.Limits.Layer)))
	default:
		_, w.failed = w.spool.Write(p)
		w.spooled += int64(len(p))
	}
}

// refuse ends the job with an error of the archive.
func (w *worker) refuse(refused error) {
	b, err := json.Marshal(guest.FailureOf(refused))
	w.failed = errors.Join(refused, err, writeFrame(w.out, guest.KindError, b))
}

func (w *worker) tick(_ context.Context, _ api.Module, done, total int64) int32 {
	if w.stop.Load() || w.failed != nil {
		return 1
	}
	if now := time.Now(); now.Sub(w.told) >= progressEvery {
		w.told = now
		var p [16]byte
		binary.LittleEndian.PutUint64(p[:8], uint64(done))
		binary.LittleEndian.PutUint64(p[8:], uint64(total))
		if err := errors.Join(writeFrame(w.out, frameProgress, p[:]), w.out.Flush()); err != nil {
			w.failed = err
			return 1
		}
	}
	return 0
}
