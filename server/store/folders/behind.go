//go:build linux

package folders

import (
	"context"

	"github.com/opencontainers/go-digest"
)

// job is the work for one image that nobody waits for.
type job struct {
	cancel context.CancelFunc
	done   chan struct{} // closed at its end

	src   *Source
	users int // of src; under Maker.mu
}

// Behind begins to make the folders that an image lacks, one after the other, and
// returns at once. What goes wrong is told in the log, and to whoever asks by Make.
// The source is the Maker's from now on. Of an image that has work under way
// nothing more is begun.
func (m *Maker) Behind(img Image, src *Source) {
	missing, err := m.Missing(img)
	m.mu.Lock()
	if err != nil || len(missing) == 0 || m.jobs[img.ID] != nil {
		m.mu.Unlock()
		src.Close() // Make finds out what is wrong
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	j := &job{cancel: cancel, done: make(chan struct{}), src: src, users: 1}
	m.jobs[img.ID] = j
	m.mu.Unlock()
	m.all.Go(func() {
		defer close(j.done)
		defer cancel()
		for _, layer := range missing {
			if err := m.next(ctx, j.src, layer, img.Chains[layer]); err != nil {
				if ctx.Err() == nil {
					m.o.Log.Error("a layer is not unpacked: the start of a container tries again", "image", img.ID, "layer", layer, "error", err)
				}
				break
			}
		}
		m.mu.Lock()
		delete(m.jobs, img.ID)
		m.mu.Unlock()
		m.giveBack(j)
	})
}

// next waits for its turn among what is done behind.
func (m *Maker) next(ctx context.Context, src *Source, layer int, chain digest.Digest) error {
	select {
	case m.behind <- struct{}{}:
		defer func() { <-m.behind }()
		if m.o.Calm != nil {
			m.o.Calm(ctx)
		}
		return m.layer(ctx, src, layer, chain)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// borrow gives the source of an image's job, else one that open opens.
func (m *Maker) borrow(id digest.Digest, open func() (*Source, error)) (*Source, func(), error) {
	m.mu.Lock()
	if j := m.jobs[id]; j != nil {
		j.users++
		m.mu.Unlock()
		return j.src, func() { m.giveBack(j) }, nil
	}
	m.mu.Unlock()
	src, err := open()
	if err != nil {
		return nil, nil, err
	}
	return src, src.Close, nil
}

func (m *Maker) giveBack(j *job) {
	m.mu.Lock()
	j.users--
	last := j.users == 0
	m.mu.Unlock()
	if last {
		j.src.Close()
	}
}

// Stop ends what is done behind for an image, and returns when it has ended.
// Whoever is in Make goes on.
func (m *Maker) Stop(id digest.Digest) {
	m.mu.Lock()
	j := m.jobs[id]
	m.mu.Unlock()
	if j != nil {
		j.cancel()
		<-j.done
	}
}

// Wait returns when nothing is done behind.
func (m *Maker) Wait() { m.all.Wait() }

// Close ends what is done behind. Nothing may use the Maker any more.
func (m *Maker) Close() {
	m.mu.Lock()
	for _, j := range m.jobs {
		j.cancel()
	}
	m.mu.Unlock()
	m.all.Wait()
}
