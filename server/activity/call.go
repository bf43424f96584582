package activity

import (
	"slices"
	"time"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Call is one call under way. Its methods are safe for concurrent use, and do
// nothing for a nil Call or, but for Traced, one that has ended.
type Call struct {
	r     *Recorder
	owner string
	began time.Time

	// Guarded by the recorder's mu.
	a      wire.Activity
	things []string // ids of what it is about
	ended  bool
}

// note runs a step with the call locked, while it is under way.
func (c *Call) note(step func(a *wire.Activity)) {
	if c == nil {
		return
	}
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if !c.ended {
		step(&c.a)
	}
}

// Container says that the call is about a container. Events of it since the
// call began belong to the call, those to come too.
func (c *Call) Container(id, name string) {
	c.note(func(a *wire.Activity) {
		a.Containers = addThing(a.Containers, wire.ActivityThing{ID: id, Name: name})
		c.concern(id)
	})
}

// Image says that a name was resolved to an image; ref is "" where the image is
// new.
func (c *Call) Image(ref, id string) {
	c.note(func(a *wire.Activity) {
		a.Images = addThing(a.Images, wire.ActivityThing{ID: id, Name: ref})
		c.concern(id)
	})
}

// About says that the call is about something else that events tell of: a
// volume by its name, a network by its id.
func (c *Call) About(id string) {
	c.note(func(*wire.Activity) { c.concern(id) })
}

// Mounted notes the layers of a container's root.
func (c *Call) Mounted(m wire.ActivityMount) {
	c.note(func(a *wire.Activity) {
		if len(a.Mounts) < maxList {
			a.Mounts = append(a.Mounts, m)
		}
	})
}

// Traced notes executed steps of a plan. It may come after End, since a start is
// answered before its trace is read; the page is told again then.
func (c *Call) Traced(steps []wire.ActivityStep) {
	if c == nil {
		return
	}
	c.r.mu.Lock()
	c.a.Steps += len(steps)
	for _, s := range steps {
		c.a.Calls += s.Calls
	}
	c.a.Trace = append(c.a.Trace, steps[:min(len(steps), maxSteps-min(maxSteps, len(c.a.Trace)))]...)
	ended, view := c.ended, c.view(false)
	c.r.mu.Unlock()
	if ended {
		c.r.tell(view)
	}
}

// Did notes that something was done since began; the zero time stands for a
// moment. Code and args, key and value in turn, are worded by the page.
func (c *Call) Did(began time.Time, code string, args ...string) {
	c.note(func(a *wire.Activity) {
		if len(a.Notes) >= maxList {
			return
		}
		now := c.r.o.Now()
		n := wire.ActivityNote{Code: code, Args: map[string]string{}, At: now.Sub(c.began).Nanoseconds()}
		if !began.IsZero() {
			n.At, n.Took = began.Sub(c.began).Nanoseconds(), now.Sub(began).Nanoseconds()
		}
		for i := 0; i+1 < len(args); i += 2 {
			n.Args[args[i]] = cut(args[i+1])
		}
		a.Notes = append(a.Notes, n)
	})
}

// End says that the call is answered: status is that of HTTP, message why it
// was refused, "" if it was not. Only the first End counts.
func (c *Call) End(status int, message string) {
	if c == nil {
		return
	}
	c.r.mu.Lock()
	if c.ended {
		c.r.mu.Unlock()
		return
	}
	c.a.Took, c.a.Done, c.a.Status, c.a.Error = c.r.o.Now().Sub(c.began).Nanoseconds(), true, status, cut(message)
	c.ended = true
	delete(c.r.open, c)
	view := c.view(false)
	c.r.mu.Unlock()
	c.r.tell(view)
}

// concern adds an id, and takes what happened to it since the call began.
func (c *Call) concern(id string) {
	if slices.Contains(c.things, id) || len(c.things) >= maxList {
		return
	}
	c.things = append(c.things, id)
	for _, e := range c.r.events {
		if !e.at.Before(c.began) && e.concerns(id) {
			c.take(e)
		}
	}
}

// take adds an event, once.
func (c *Call) take(e event) {
	one := wire.ActivityEvent{Kind: e.kind, ID: e.id, At: e.at.Sub(c.began).Nanoseconds()}
	if c.a.Reads || len(c.a.Events) >= maxList || slices.Contains(c.a.Events, one) {
		return
	}
	c.a.Events = append(c.a.Events, one)
}

// view is a copy that goes on its own way; its lists are only ever appended to.
func (c *Call) view(trace bool) wire.Activity {
	a := c.a
	a.Containers, a.Images = slices.Clone(a.Containers), slices.Clone(a.Images)
	if !trace {
		a.Trace = nil
	}
	return a
}

// addThing adds a container or image, or completes its name.
func addThing(list []wire.ActivityThing, t wire.ActivityThing) []wire.ActivityThing {
	i := slices.IndexFunc(list, func(x wire.ActivityThing) bool { return x.ID == t.ID })
	if i < 0 {
		if len(list) >= maxList {
			return list
		}
		return append(list, t)
	}
	if list[i].Name == "" {
		list[i].Name = t.Name
	}
	return list
}
