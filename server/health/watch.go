package health

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// outputLimit is how much of a probe's output is kept, in bytes.
const outputLimit = 4096

// Watched is a container whose health is looked after.
type Watched struct {
	Check   Check
	Started time.Time
	// State is what is known now.
	State func() State
	// Probe runs the check's command, writes what it prints to out and returns
	// its exit code. It must return soon after its context has ended.
	Probe func(ctx context.Context, out *Output) (exitCode int, err error)
	// Keep takes the result of a probe.
	Keep func(Result)
}

// Watch probes a container again and again until ctx ends. A probe that this cuts
// short has no result.
func Watch(ctx context.Context, w Watched) {
	for {
		timer := time.NewTimer(w.Check.Wait(w.State(), w.Started, time.Now()))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		r := w.once(ctx)
		if ctx.Err() != nil {
			return
		}
		w.Keep(r)
	}
}

// once runs one probe.
func (w *Watched) once(ctx context.Context) Result {
	limit := w.Check.timeout()
	r := Result{Start: time.Now()}
	probing, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out Output
	code, err := w.Probe(probing, &out)
	r.End, r.ExitCode, r.Output = time.Now(), code, out.String()
	switch {
	case errors.Is(probing.Err(), context.DeadlineExceeded):
		said := r.Output
		r.ExitCode, r.Output = -1, fmt.Sprintf("Health check exceeded timeout (%v)", limit)
		if said != "" {
			r.Output += ": " + said
		}
	case err != nil:
		r.ExitCode, r.Output = -1, err.Error()
	}
	return r
}

// Output is what a probe prints, the first 4,096 bytes of it. It is an io.Writer
// that takes everything; the zero value is empty.
type Output struct {
	kept []byte
	more bool
}

// Write takes p.
func (o *Output) Write(p []byte) (int, error) {
	keep := min(len(p), outputLimit-len(o.kept))
	o.kept = append(o.kept, p[:keep]...)
	o.more = o.more || keep < len(p)
	return len(p), nil
}

// String is what was kept, with dots where there was more.
func (o *Output) String() string {
	if o.more {
		return string(o.kept) + "..."
	}
	return string(o.kept)
}
