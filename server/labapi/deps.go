package labapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Deps are the services behind the routes. All fields are needed.
type Deps struct {
	Images     Images
	Containers Containers
	Networks   Networks
	Looks      Looks
	Events     Events
	Gate       Gate
	Terminals  Terminals
	Recordings Recordings
	Shares     Shares
	Info       func(ctx context.Context) wire.Info
	Log        *slog.Logger
	// Activity may be nil: nothing is kept then.
	Activity Activity
}

// Activity keeps what was asked lately and what was done for it.
type Activity interface {
	Begin(ctx context.Context, q activity.Request) (context.Context, *activity.Call)
	List(ctx context.Context) wire.ActivityList
	Get(ctx context.Context, id string) (wire.Activity, error)
}

// Images is what the routes need of the store. id may be a digest, a prefix of
// one of at least 4 hexadecimal digits, or a reference.
type Images interface {
	List(ctx context.Context) ([]wire.Image, error)
	// Report gives the imagecore.Report of one image as JSON.
	Report(ctx context.Context, id string) ([]byte, error)
	// Index gives the binary index of one image (package imagecore/index),
	// seen through a lens.
	Index(ctx context.Context, id string, lens tree.Lens) ([]byte, error)
	// Content opens size bytes of a layer's uncompressed tar from offset on.
	Content(ctx context.Context, id string, layer int, offset, size int64) (io.ReadCloser, error)
	// Save writes the image in docker save's form, Flatten its merged tree as
	// one tar, to the writer that open gives them. open is called once, when
	// the image is found, with a name for the file.
	Save(ctx context.Context, id string, open func(name string) io.Writer) error
	Flatten(ctx context.Context, id string, open func(name string) io.Writer) error
	// Files tells what Save writes.
	Files(ctx context.Context, id string) ([]wire.ArchiveFile, error)
	// Import stores the images of an archive; size is -1 where unknown.
	Import(ctx context.Context, body io.Reader, size int64, progress func(wire.UploadProgress)) ([]wire.Image, error)
	// Tag gives an image one more name.
	Tag(ctx context.Context, id, ref string) (wire.Image, error)
	// Prune removes what no container has: images without a name or, with all,
	// every one.
	Prune(ctx context.Context, all bool) (wire.Pruned, error)
	// Remove takes a name away; with the last name, or given an id, the image.
	Remove(ctx context.Context, id string) error
}

// Events is what the routes need of the event bus.
type Events interface {
	Subscribe(since uint64) (*events.Subscription, error)
	// Send delivers an event that is not kept.
	Send(kind, id string, data any) error
}

// Gate is what the routes need of package access.
type Gate interface {
	// Redeem exchanges a one-time code for a session's secret.
	Redeem(code string) (secret string, err error)
	// Ticket makes a single-use ticket for a path with its query.
	Ticket(path string) (string, error)
}

// Terminals upgrades GET /terminals/{id} to a WebSocket; id names a container
// or an exec. The request has passed the access checks by then.
type Terminals interface {
	Serve(w http.ResponseWriter, r *http.Request, id string)
}
