package activity_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// clock moves by one microsecond at each look.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Microsecond)
	return c.t
}

type sent struct {
	mu   sync.Mutex
	list []wire.Activity
}

func (s *sent) send(kind, id string, data any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := data.(wire.Activity)
	if kind != wire.EventActivity || id != strconv.FormatUint(a.ID, 10) {
		return errors.New("sent under another name")
	}
	s.list = append(s.list, a)
	return nil
}

func newRecorder() (*activity.Recorder, *sent) {
	s := &sent{}
	c := &clock{t: time.Unix(1000, 0)}
	return activity.New(activity.Options{Now: c.now, Send: s.send, Listening: func() bool { return true }}), s
}

func start(r *activity.Recorder) (context.Context, *activity.Call) {
	return r.Begin(context.Background(), activity.Request{By: wire.ByDocker, Verb: "start", Method: "POST", Path: "/containers/web/start"})
}

func TestACallHoldsWhatWasDoneForIt(t *testing.T) {
	r, page := newRecorder()
	ctx, call := start(r)
	activity.Of(ctx).Container("c1", "web")
	activity.Of(ctx).Image("lab:1", "sha256:aa")
	activity.Of(ctx).Mounted(wire.ActivityMount{Container: "c1", Shared: 70, New: 30})
	activity.Of(ctx).Traced([]wire.ActivityStep{{Code: "pivot-root", Calls: 2}, {Code: "exec", Calls: 1}})
	activity.Of(ctx).Did(time.Time{}, "frozen", "a", "b")
	r.Event(wire.EventContainerStarted, "c1")
	call.End(204, "")
	activity.Of(ctx).Did(time.Time{}, "too-late")

	list := r.List(context.Background()).Activities
	if len(list) != 1 || list[0].Trace != nil {
		t.Fatalf("list %+v, want one call without its trace", list)
	}
	a, err := r.Get(context.Background(), "1")
	if err != nil {
		t.Fatal(err)
	}
	if a.Steps != 2 || a.Calls != 3 || len(a.Trace) != 2 || a.Mounts[0].Shared != 70 || len(a.Notes) != 1 || a.Notes[0].Args["a"] != "b" {
		t.Errorf("call %+v", a)
	}
	if len(a.Events) != 1 || a.Events[0].Kind != wire.EventContainerStarted || a.Events[0].At <= 0 {
		t.Errorf("events %+v", a.Events)
	}
	if !a.Done || a.Status != 204 || a.Took <= a.Events[0].At {
		t.Errorf("end %+v", a)
	}
	if len(page.list) != 2 || page.list[0].Done || !page.list[1].Done || page.list[1].Trace != nil {
		t.Errorf("the page was told %+v, want the beginning and the end", page.list)
	}
	call.Traced([]wire.ActivityStep{{Code: "late", Calls: 4}})
	if len(page.list) != 3 || !page.list[2].Done || page.list[2].Calls != 7 {
		t.Errorf("the page was told %+v, want the trace that came late, too", page.list)
	}
}

func TestEventsBeforeTheIdIsKnownBelongToTheCall(t *testing.T) {
	r, _ := newRecorder()
	r.Event(wire.EventImageCreated, "sha256:old") // before the call
	_, call := start(r)
	r.Event(wire.EventImageCreated, "sha256:new")
	r.Event(wire.EventImageCreated, "sha256:other")
	r.Event(wire.EventNetworkConnected, "net", "c1")
	call.Image("lab:2", "sha256:new")
	call.Image("", "sha256:old")
	call.Container("c1", "web")
	call.End(200, "")
	a, err := r.Get(context.Background(), "1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range a.Events {
		got = append(got, e.Kind+" "+e.ID)
	}
	want := []string{wire.EventImageCreated + " sha256:new", wire.EventNetworkConnected + " net"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestReadsDoNotPushOutActions(t *testing.T) {
	r, page := newRecorder()
	_, call := start(r)
	call.End(200, "")
	told := len(page.list)
	for range 2 * activity.KeepActions {
		_, read := r.Begin(context.Background(), activity.Request{Verb: "ps", Method: "GET", Reads: true})
		read.End(200, "")
	}
	if len(page.list) != told {
		t.Error("the page was told of calls that only look")
	}
	list := r.List(context.Background())
	if len(list.Activities) != activity.KeepReads+1 || list.Activities[len(list.Activities)-1].Verb != "start" {
		t.Errorf("%d kept, the oldest %q", len(list.Activities), list.Activities[len(list.Activities)-1].Verb)
	}
	if list.Lost != 2*activity.KeepActions-activity.KeepReads {
		t.Errorf("%d lost", list.Lost)
	}
	for i := range list.Activities[1:] {
		if list.Activities[i].ID <= list.Activities[i+1].ID {
			t.Fatal("not newest first")
		}
	}
}

func TestTheRecorderIsBounded(t *testing.T) {
	r, _ := newRecorder()
	for range activity.KeepActions + 10 {
		_, call := start(r)
		for i := range 120 {
			call.Container(strconv.Itoa(i), "x")
			call.Did(time.Time{}, "n")
			call.Traced(make([]wire.ActivityStep, 5))
			r.Event("k", "0")
		}
		call.End(200, "")
	}
	list := r.List(context.Background()).Activities
	if len(list) != activity.KeepActions {
		t.Fatalf("%d kept", len(list))
	}
	for _, a := range list {
		full, err := r.Get(context.Background(), strconv.FormatUint(a.ID, 10))
		if err != nil || len(full.Containers) > 100 || len(full.Notes) > 100 || len(full.Events) > 100 || len(full.Trace) > 400 {
			t.Fatalf("call %d: %d containers, %d notes, %d events, %d steps, %v", a.ID, len(full.Containers), len(full.Notes), len(full.Events), len(full.Trace), err)
		}
		if full.Steps != 120*5 {
			t.Fatalf("%d steps counted", full.Steps)
		}
	}
}

func TestOthersSeeNothing(t *testing.T) {
	r, _ := newRecorder()
	ctx := caller.With(context.Background(), caller.Caller{Owner: "anna"})
	_, call := r.Begin(ctx, activity.Request{Verb: "run"})
	call.End(200, "")
	if n := len(r.List(context.Background()).Activities); n != 0 {
		t.Errorf("%d calls of another's shown", n)
	}
	_, err := r.Get(context.Background(), "1")
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != "activity-not-found" {
		t.Errorf("error %v", err)
	}
	if _, err := r.Get(ctx, "1"); err != nil {
		t.Error(err)
	}
}

func TestWithoutARecorderNothingHappens(t *testing.T) {
	var r *activity.Recorder
	ctx, call := start(r)
	activity.Of(ctx).Container("c", "n")
	activity.Of(ctx).Image("r", "i")
	activity.Of(ctx).About("n")
	activity.Of(ctx).Mounted(wire.ActivityMount{})
	activity.Of(ctx).Traced(nil)
	activity.Of(ctx).Did(time.Now(), "x")
	r.Event("k", "i")
	call.End(200, "")
	if activity.Of(ctx) != nil {
		t.Error("a call out of nothing")
	}
}

func TestManyAtOnce(t *testing.T) {
	r, _ := newRecorder()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 50 {
				ctx, call := start(r)
				id := fmt.Sprintf("c%d", n%3)
				activity.Of(ctx).Container(id, "")
				r.Event("k", id)
				activity.Of(ctx).Traced([]wire.ActivityStep{{Calls: i}})
				r.List(ctx)
				call.End(200, "")
			}
		})
	}
	all.Wait()
	if n := len(r.List(context.Background()).Activities); n != activity.KeepActions {
		t.Errorf("%d kept", n)
	}
}

func TestVerbs(t *testing.T) {
	n := activity.NewNamer()
	for _, c := range []struct {
		method, pattern, verb string
		reads                 bool
	}{
		{"POST", "/containers/{name}/start", "start", false},
		{"POST", "/containers/:id/start", "start", false},
		{"DELETE", "/images/{name}", "rmi", false},
		{"GET", "/images/{name}/get", "save", false},
		{"GET", "/containers/json", "ps", true},
		{"POST", "/containers/{name}/wait", "wait", true},
		{"POST", "/nothing", "", false},
	} {
		if v := n.Verb(c.method, c.pattern); v != c.verb || activity.Reads(c.method, v) != c.reads {
			t.Errorf("%s %s: %q, reads %v", c.method, c.pattern, v, activity.Reads(c.method, v))
		}
	}
}
