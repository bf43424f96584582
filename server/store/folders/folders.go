//go:build linux

package folders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/layerlab/layerlab/imagecore/tree"
)

// parallel is how many layers are unpacked at a time: one waits for the disk
// while another computes.
const parallel = 2

// Unpack makes the folder dir of a layer, in overlayfs's form, whole or not at
// all, as snapshot.Unpack does; content gives the uncompressed tars of layers.
type Unpack func(ctx context.Context, dir string, t *tree.Tree, layer int, content func(layer int) (io.ReaderAt, error)) error

// Options are what a Maker needs of others.
type Options struct {
	Dir    string // absolute, of all layers' folders
	Unpack Unpack
	// Calm returns when what nobody waits for may begin, or its context ends; nil
	// is at once.
	Calm func(context.Context)
	Log  *slog.Logger
}

// Image is what a Maker needs to know of an image.
type Image struct {
	ID     digest.Digest
	Chains []digest.Digest // of its layers, base first
}

// Source is where the contents of an image's layers come from.
type Source struct {
	Tree    *tree.Tree // of its layers
	Content func(layer int) (io.ReaderAt, error)
	Close   func() // called once, by the last who uses it
}

// Maker makes folders. It is safe for concurrent use.
type Maker struct {
	o      Options
	room   chan struct{} // one place for each layer that is being unpacked
	behind chan struct{} // has room for one: what nobody waits for does not crowd out the rest

	mu    sync.Mutex
	taken map[digest.Digest]chan struct{} // chains that somebody unpacks; closed when he is done
	jobs  map[digest.Digest]*job          // images whose layers are unpacked behind
	all   sync.WaitGroup                  // of their goroutines
}

// New returns a Maker. Close it.
func New(o Options) *Maker {
	return &Maker{
		o: o, room: make(chan struct{}, parallel), behind: make(chan struct{}, 1),
		taken: map[digest.Digest]chan struct{}{}, jobs: map[digest.Digest]*job{},
	}
}

// Name is what the folder of a stack of layers is called.
func Name(chain digest.Digest) string { return chain.Encoded() }

func (m *Maker) path(chain digest.Digest) string { return filepath.Join(m.o.Dir, Name(chain)) }

// Missing gives the numbers of those layers that have no folder; where a stack is
// there twice, that is one.
func (m *Maker) Missing(img Image) (list []int, err error) {
	seen := map[digest.Digest]bool{}
	for i, chain := range img.Chains {
		if seen[chain] {
			continue
		}
		seen[chain] = true
		if there, err := m.there(chain); err != nil {
			return nil, err
		} else if !there {
			list = append(list, i)
		}
	}
	return list, nil
}

func (m *Maker) there(chain digest.Digest) (bool, error) {
	_, err := os.Lstat(m.path(chain))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Make returns when all layers of an image have their folders, of which it makes
// those that nobody else is making. open is called where there is something to
// make and no source at hand.
func (m *Maker) Make(ctx context.Context, img Image, open func() (*Source, error)) error {
	missing, err := m.Missing(img)
	if err != nil || len(missing) == 0 {
		return err
	}
	src, giveBack, err := m.borrow(img.ID, open)
	if err != nil {
		return err
	}
	defer giveBack()
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for _, layer := range missing {
		work.Go(func() error { return m.layer(ctx, src, layer, img.Chains[layer]) })
	}
	return work.Wait()
}

// layer makes one folder, or waits until somebody has.
func (m *Maker) layer(ctx context.Context, src *Source, layer int, chain digest.Digest) error {
	give, err := m.take(ctx, chain)
	if err != nil {
		return err
	}
	defer give()
	if there, err := m.there(chain); err != nil || there {
		return err
	}
	select {
	case m.room <- struct{}{}:
		defer func() { <-m.room }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := m.o.Unpack(ctx, m.path(chain), src.Tree, layer, src.Content); err != nil {
		return fmt.Errorf("unpack layer %d: %w", layer, err)
	}
	return nil
}

// take waits until nobody else makes the folder of a chain.
func (m *Maker) take(ctx context.Context, chain digest.Digest) (give func(), err error) {
	for {
		m.mu.Lock()
		other := m.taken[chain]
		if other == nil {
			mine := make(chan struct{})
			m.taken[chain] = mine
			m.mu.Unlock()
			return func() {
				m.mu.Lock()
				delete(m.taken, chain)
				m.mu.Unlock()
				close(mine)
			}, nil
		}
		m.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
