package activity

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Numbers of calls and events that are kept.
const (
	KeepActions = 400  // calls that change something
	KeepReads   = 100  // calls that only look
	keepEvents  = 256  // events that a call may still turn out to be about
	maxList     = 100  // entries of each list of a call
	maxSteps    = 400  // steps of a call
	maxText     = 1000 // bytes of a path or message
)

// Options are what a Recorder needs.
type Options struct {
	Now func() time.Time
	// Send tells the page of a call that began or ended; Listening says whether
	// anybody would hear it. Both may be nil.
	Send      func(kind, id string, data any) error
	Listening func() bool
}

// Recorder keeps the last calls. It is safe for concurrent use; a nil one
// records nothing.
type Recorder struct {
	o Options

	mu      sync.Mutex
	last    uint64
	lost    uint64
	actions ring
	reads   ring
	open    map[*Call]struct{}
	events  []event // oldest first
}

// ring is the last calls of one kind, oldest first.
type ring []*Call

// add keeps a call and reports whether another had to go.
func (r *ring) add(c *Call, most int) bool {
	*r = append(*r, c)
	if len(*r) <= most {
		return false
	}
	*r = slices.Delete(*r, 0, 1)
	return true
}

type event struct {
	kind, id string
	about    []string // ids of further things
	at       time.Time
}

// New returns an empty recorder.
func New(o Options) *Recorder { return &Recorder{o: o, open: map[*Call]struct{}{}} }

// Request is who asks for what.
type Request struct {
	By, Client   string
	Verb         string
	Method, Path string // Path with its query, without secrets
	Reads        bool
}

type key struct{}

// With returns a context in which a call is under way; nil takes it out.
func With(ctx context.Context, c *Call) context.Context { return context.WithValue(ctx, key{}, c) }

// Of returns the call under way, nil where there is none.
func Of(ctx context.Context) *Call {
	c, _ := ctx.Value(key{}).(*Call)
	return c
}

// Begin notes that a call has come, and returns a context that carries it. End
// must be called once it is answered.
func (r *Recorder) Begin(ctx context.Context, q Request) (context.Context, *Call) {
	if r == nil {
		return ctx, nil
	}
	now := r.o.Now()
	c := &Call{r: r, owner: caller.Of(ctx).Owner, began: now}
	r.mu.Lock()
	r.last++
	c.a = wire.Activity{
		ID: r.last, Time: now.UTC(), By: q.By, Client: cut(q.Client), Verb: q.Verb, Method: q.Method, Path: cut(q.Path), Reads: q.Reads,
		Containers: []wire.ActivityThing{}, Images: []wire.ActivityThing{}, Mounts: []wire.ActivityMount{},
		Notes: []wire.ActivityNote{}, Events: []wire.ActivityEvent{},
	}
	kept, most := &r.actions, KeepActions
	if q.Reads {
		kept, most = &r.reads, KeepReads
	}
	if kept.add(c, most) {
		r.lost++
	}
	r.open[c] = struct{}{}
	view := c.a
	r.mu.Unlock()
	r.tell(view)
	return With(ctx, c), c
}

// Event notes an event: calls under way that are about the thing with that id,
// or about one of the further ones, have it among theirs.
func (r *Recorder) Event(kind, id string, about ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := event{kind, id, about, r.o.Now()}
	if r.events = append(r.events, e); len(r.events) > keepEvents {
		r.events = slices.Delete(r.events, 0, 1)
	}
	for c := range r.open {
		if slices.ContainsFunc(c.things, e.concerns) {
			c.take(e)
		}
	}
}

func (e event) concerns(id string) bool { return e.id == id || slices.Contains(e.about, id) }

// List returns what is kept of the caller's calls, newest first, without
// traces, and how many older ones are gone.
func (r *Recorder) List(ctx context.Context) wire.ActivityList {
	if r == nil {
		return wire.ActivityList{Activities: []wire.Activity{}}
	}
	owner := caller.Of(ctx).Owner
	r.mu.Lock()
	defer r.mu.Unlock()
	out := wire.ActivityList{Activities: []wire.Activity{}, Lost: r.lost}
	for _, c := range slices.Concat(r.actions, r.reads) {
		if c.owner == owner {
			out.Activities = append(out.Activities, c.view(false))
		}
	}
	slices.SortFunc(out.Activities, func(a, b wire.Activity) int { return int(int64(b.ID) - int64(a.ID)) })
	return out
}

// Get returns one call of the caller's with its trace. Code:
// activity-not-found.
func (r *Recorder) Get(ctx context.Context, id string) (wire.Activity, error) {
	if c := r.find(caller.Of(ctx).Owner, id); c != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		return c.view(true), nil
	}
	return wire.Activity{}, imagecore.NewError(imagecore.ErrNotFound, "activity-not-found",
		fmt.Sprintf("activity %q: not kept any more, or never was", id), "activity", id)
}

func (r *Recorder) find(owner, id string) *Call {
	n, err := strconv.ParseUint(id, 10, 64)
	if r == nil || err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range slices.Concat(r.actions, r.reads) {
		if c.a.ID == n && c.owner == owner {
			return c
		}
	}
	return nil
}

// tell sends a call to the page. Those that only look are not worth it: the
// list has them when it is asked for.
func (r *Recorder) tell(a wire.Activity) {
	if a.Reads || r.o.Send == nil || r.o.Listening == nil || !r.o.Listening() {
		return
	}
	_ = r.o.Send(wire.EventActivity, strconv.FormatUint(a.ID, 10), a) // the list has it all the same
}

func cut(text string) string {
	if len(text) > maxText {
		return text[:maxText] + "…"
	}
	return text
}
