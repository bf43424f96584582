//go:build linux

package engine

import (
	"context"

	"github.com/layerlab/layerlab/server/engine/procfs"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Facts reads what the kernel says about a running container.
func (s *Service) Facts(ctx context.Context, id string) (wire.Facts, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Facts{}, err
	}
	rec, _, err := c.mustRun()
	if err != nil {
		return wire.Facts{}, err
	}
	f, err := procfs.Facts("/proc", rec.Pid)
	if err != nil {
		return wire.Facts{}, stateError(rec, "container-not-running", "ended while it was looked at")
	}
	pids, err := s.pids(rec)
	if err != nil {
		return wire.Facts{}, err
	}
	f.Processes, f.ProcessCount = procfs.Processes("/proc", pids), len(pids)
	return f, nil
}
