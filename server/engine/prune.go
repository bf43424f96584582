//go:build linux

package engine

import (
	"context"
	"errors"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// PruneVolumes removes the caller's anonymous volumes that no container has;
// all says those with names too.
func (s *Service) PruneVolumes(ctx context.Context, all bool) (wire.Pruned, error) {
	done := wire.Pruned{Removed: []string{}}
	list, err := s.Volumes(ctx)
	if err != nil {
		return done, err
	}
	for _, v := range list {
		if len(v.UsedBy) > 0 || !v.Anonymous && !all {
			continue
		}
		size, err := s.VolumeSize(ctx, v.Name)
		if err == nil {
			err = s.DeleteVolume(ctx, v.Name)
		}
		if errors.Is(err, imagecore.ErrNotFound) || errors.Is(err, imagecore.ErrConflict) {
			continue // gone, or taken meanwhile
		}
		if err != nil {
			return done, err
		}
		done.Removed = append(done.Removed, v.Name)
		done.Freed += size
	}
	return done, nil
}
