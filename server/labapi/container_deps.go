package labapi

import (
	"context"
	"encoding/json"
	"io"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Containers is what the routes need of the engine. id may be the container's
// id, an unambiguous prefix of it, or its name.
type Containers interface {
	List(ctx context.Context) ([]wire.Container, error)
	Get(ctx context.Context, id string) (wire.Container, error)
	Create(ctx context.Context, c wire.NewContainer) (wire.CreatedContainer, error)
	Delete(ctx context.Context, id string) error
	Start(ctx context.Context, id string) (wire.Container, error)
	Stop(ctx context.Context, id string, c wire.StopContainer) (wire.Container, error)
	// Restart is Stop, where the container runs, and Start.
	Restart(ctx context.Context, id string, c wire.StopContainer) (wire.Container, error)
	Kill(ctx context.Context, id string, c wire.KillContainer) (wire.Container, error)
	Pause(ctx context.Context, id string) (wire.Container, error)
	Unpause(ctx context.Context, id string) (wire.Container, error)
	Rename(ctx context.Context, id, name string) (wire.Container, error)
	Commit(ctx context.Context, id string, c wire.CommitContainer) (wire.Image, error)
	// Export writes the merged tree of a container as one tar to the writer that
	// open gives it; open is called once, with a name for the file.
	Export(ctx context.Context, id string, open func(name string) io.Writer) error
	// Prune removes the containers that have no process.
	Prune(ctx context.Context) (wire.Pruned, error)
	Exec(ctx context.Context, id string, c wire.ExecContainer) (wire.Exec, error)
	Changes(ctx context.Context, id string) (wire.Changes, error)
	Facts(ctx context.Context, id string) (wire.Facts, error)
	// Plan and Trace are those of packages plan and launch, as they come.
	Plan(ctx context.Context, id string) (json.RawMessage, error)
	Trace(ctx context.Context, id string) (json.RawMessage, error)

	CreateVolume(ctx context.Context, v wire.CreateVolume) (wire.Volume, error)
	Volumes(ctx context.Context) ([]wire.Volume, error)
	Volume(ctx context.Context, name string) (wire.Volume, error)
	DeleteVolume(ctx context.Context, name string) error
	// PruneVolumes removes the anonymous volumes that no container has; all
	// says those with names too.
	PruneVolumes(ctx context.Context, all bool) (wire.Pruned, error)
}
