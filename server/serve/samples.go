//go:build linux

package serve

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"
)

// storeSamples stores the samples that this data folder never had. A server
// without samples is of use too, so what goes wrong is said and no more.
func (s *server) storeSamples(ctx context.Context) {
	for _, sample := range s.o.Samples {
		if err := s.storeSample(ctx, sample); err != nil {
			s.log.Error("sample image not stored", "sample", sample.Name, "error", err)
		}
	}
}

// storeSample remembers a sample by the digest of its archive: a user who
// removed it does not find it again at the next start, but a new version comes.
func (s *server) storeSample(ctx context.Context, sample Sample) error {
	r, err := sample.Open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	sum, err := digest.FromReader(r)
	r.Close()
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	seen := s.store.Bucket("samples")
	known := false
	err = seen.View(func(b *bolt.Bucket) error {
		known = b.Get([]byte(sum)) != nil
		return nil
	})
	if err != nil || known {
		return err
	}
	if r, err = sample.Open(); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer r.Close()
	if _, err := s.store.ImportSample(ctx, r); err != nil {
		return err
	}
	return seen.Update(func(b *bolt.Bucket) error { return b.Put([]byte(sum), []byte(sample.Name)) })
}
