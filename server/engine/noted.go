//go:build linux

package engine

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// maxSharers is how many containers are named that share a layer.
const maxSharers = 20

// noteMount notes, where the start was asked for, which layers the container's
// root is made of and which of them other containers had mounted before.
func (s *Service) noteMount(ctx context.Context, rec record, layers []Layer) {
	call := activity.Of(ctx)
	if call == nil {
		return
	}
	// What is looked up for the note is nothing that was asked for.
	ctx = activity.With(ctx, nil)
	byImage := map[digest.Digest][]string{}
	for _, c := range s.all() {
		if other := c.record(); other.ID != rec.ID && other.alive() {
			byImage[c.image] = append(byImage[c.image], other.Name)
		}
	}
	users, names := map[digest.Digest]int{}, []string{}
	for id, sharers := range byImage {
		image, release, err := s.o.Images.Hold(ctx, id.String())
		if err != nil {
			continue // it has just been removed
		}
		release()
		shares := false
		for _, l := range image.Layers {
			users[l.ChainID] += len(sharers)
			shares = shares || slices.Contains(layers, l)
		}
		if shares {
			names = append(names, sharers...)
		}
	}
	slices.Sort(names)
	call.Mounted(mountOf(rec.ID, layers, users, names[:min(len(names), maxSharers)]))
}

// mountOf adds up what is shared and what is not.
func mountOf(container string, layers []Layer, users map[digest.Digest]int, with []string) wire.ActivityMount {
	m := wire.ActivityMount{Container: container, Layers: []wire.ActivityLayer{}, With: with}
	for _, l := range layers {
		m.Layers = append(m.Layers, wire.ActivityLayer{ChainID: l.ChainID.String(), Bytes: l.Size, Users: users[l.ChainID]})
		if users[l.ChainID] > 0 {
			m.Shared += l.Size
		} else {
			m.New += l.Size
		}
	}
	return m
}

// noteTrace notes the executed steps of a plan, which has its words already.
func noteTrace(ctx context.Context, p *plan.Plan, results []plan.Result) {
	call := activity.Of(ctx)
	if call == nil {
		return
	}
	steps := make([]wire.ActivityStep, 0, len(results))
	for _, r := range results {
		one := wire.ActivityStep{Code: r.Code, Args: map[string]string{}, Start: r.Start, Took: r.Took, Calls: r.Calls, OK: r.OK, Errno: r.Errno}
		if r.Step >= 0 && r.Step < len(p.Steps) && p.Steps[r.Step].Code == r.Code {
			s := p.Steps[r.Step]
			one.Where, one.Call, one.Words = string(s.Where), s.Call, s.Words
			if s.Args != nil {
				one.Args = s.Args
			}
		}
		steps = append(steps, one)
	}
	call.Traced(steps)
}

func noteSignal(ctx context.Context, began time.Time, sig unix.Signal, all bool, err error) {
	if err != nil {
		return
	}
	code := "signalled"
	if all {
		code = "signalled-all"
	}
	activity.Of(ctx).Did(began, code, "signal", unix.SignalName(sig))
}

func noteCommit(ctx context.Context, began time.Time, made wire.Image, entries int) {
	call := activity.Of(ctx)
	name := ""
	if len(made.Refs) > 0 {
		name = made.Refs[0]
	}
	call.Image(name, made.ID)
	if n := len(made.Layers); n > 0 {
		call.Did(began, "layer-packed", "entries", strconv.Itoa(entries), "bytes", strconv.FormatInt(made.Layers[n-1].Size, 10), "diffID", made.Layers[n-1].DiffID)
	}
}
