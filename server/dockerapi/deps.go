//go:build linux

package dockerapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/dockerapi/viewer"
	"github.com/layerlab/layerlab/server/health"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Deps are what the API needs of others. All fields are needed.
type Deps struct {
	Images     Images
	Containers Containers
	Networks   Networks
	Events     Events
	Facts      Facts
	Limits     imagecore.Limits // of what clients send
	Log        *slog.Logger
	// Activity keeps what was asked and done, for the page; nil keeps nothing.
	Activity *activity.Recorder
}

// Facts are what version and info tell of this server.
type Facts struct {
	Version, Kernel, Data, Name string
	Rootfs                      string // how layers are put together: snapshot.Method
	Started                     time.Time
	Runtimes                    map[string]string // name → path of the program
	DefaultRuntime              string
	Rootless                    bool // an ordinary user's server
	PlainBinds                  bool // without idmapped mounts: what is bound belongs to nobody in a container
}

// Image is a stored image.
type Image struct {
	ID       digest.Digest
	Refs     []string // "name:tag", sorted
	Config   []byte   // as stored
	Layers   []Layer  // base first
	Manifest v1.Descriptor
	Parent   digest.Digest // "" for one that came from outside
	Created  time.Time
	Stored   time.Time
}

// Layer is a layer of an Image.
type Layer struct {
	ChainID digest.Digest
	DiffID  digest.Digest
	Size    int64 // bytes of its files, unpacked: tree.ContentSizes
	Blob    int64 // bytes, as stored
}

// Size is the sum of the layers' sizes in bytes.
func (i *Image) Size() (n int64) {
	for _, l := range i.Layers {
		n += l.Size
	}
	return n
}

// Named is an image and the names under which it is saved.
type Named struct {
	ID   digest.Digest
	Refs []string
}

// Loaded is an image of an archive and the names that the archive gives it.
type Loaded struct {
	ID    string
	Names []string
}

// Images is what the API needs of the store.
type Images interface {
	All(ctx context.Context) ([]Image, error)
	// Find resolves an id, a prefix of one, or a name.
	Find(ctx context.Context, ref string) (Image, error)
	Normalize(ref string) (string, error)
	Tag(ctx context.Context, ref, name string) error
	Untag(ctx context.Context, name string) error
	// Remove removes an image with all its names.
	Remove(ctx context.Context, id string) error
	Save(ctx context.Context, list []Named, open func() io.Writer) error
	// Load stores the images of an archive, of platforms ("os/arch[/variant]")
	// those alone where there are any.
	Load(ctx context.Context, body io.Reader, platforms []string, progress func(wire.UploadProgress)) ([]Loaded, error)
	// Make stores an image of one layer, a tar in any compression.
	Make(ctx context.Context, layer io.Reader, req ImportRequest) (id string, err error)
}

// ImportRequest is what docker import asks for.
type ImportRequest struct {
	Ref, Message, Platform string
	Changes                []string // Dockerfile lines
}

// CreateRequest is what docker create asks for and the engine does.
type CreateRequest struct {
	wire.CreateContainer
	Labels                           map[string]string
	OpenStdin, StdinOnce, AutoRemove bool
	StopSignal                       string
	StopTimeout                      *int
	Health                           *health.Check
	Shell                            []string // of a line that Health runs
	Network                          wire.ContainerNetwork
	Client                           json.RawMessage // the request, to be shown again
}

// Container is all that is known of a container.
type Container struct {
	wire.Container
	CreateRequest
	StopSignal string // in force
	Hostname   string
	Env        []string
	WorkingDir string
	User       string
	Folder     string
	Execs      []string
	Mounts     []Mount
	Layer      string          // folder of its upper and work
	Endpoints  []wire.Endpoint // by the network's name
	Check      *health.Check   // in force
	Health     *health.State   // nil where there is no check that is run
}

// Mount is a mount of a container with its source found.
type Mount struct {
	wire.MountSpec
	Volume string // its name, "" for others
	// Anonymous: the volume was made for the container, without a name.
	Anonymous bool
}

// Exec is a further process of a container.
type Exec struct {
	ID, Container string
	Request       wire.ExecContainer
	Stdin         bool
	DetachKeys    string // as the client wrote them
	Started       bool
	Pid           int
	ExitCode      *int
}

// CopyIn says how an archive is unpacked in a container.
type CopyIn struct {
	NoOverwriteDirNonDir bool // a folder takes no other thing's place, nor the reverse
	AsUser               bool // what is written belongs to the container's user
}

// Containers is what the API needs of the engine.
type Containers interface {
	Volumes
	Stats
	List(ctx context.Context) ([]wire.Container, error)
	Detail(ctx context.Context, id string) (Container, error)
	Create(ctx context.Context, req CreateRequest) (wire.Container, error)
	Start(ctx context.Context, id string) (wire.Container, error)
	Stop(ctx context.Context, id string, req wire.StopContainer) (wire.Container, error)
	Restart(ctx context.Context, id string, req wire.StopContainer) (wire.Container, error)
	Kill(ctx context.Context, id string, req wire.KillContainer) (wire.Container, error)
	Pause(ctx context.Context, id string) (wire.Container, error)
	Unpause(ctx context.Context, id string) (wire.Container, error)
	Rename(ctx context.Context, id, name string) (wire.Container, error)
	// Delete removes a container, and its anonymous volumes if asked to.
	Delete(ctx context.Context, id string, volumes bool) error
	// Act is Events.Act for a container; more are attributes and values by turns.
	Act(ctx context.Context, id, action string, more ...string)
	Resize(ctx context.Context, id string, cols, rows uint16) error
	AllChanges(ctx context.Context, id string) (wire.Changes, error)
	Commit(ctx context.Context, id string, req wire.CommitContainer) (wire.Image, error)
	Export(ctx context.Context, id string, use func(v *tree.View, content func(layer int) (io.ReaderAt, error)) error) error
	// StatPath, ReadPath and WritePath reach files of a container; the reader is
	// a tar, and closed by the caller.
	StatPath(ctx context.Context, id, path string) (container.PathStat, error)
	ReadPath(ctx context.Context, id, path string) (container.PathStat, io.ReadCloser, error)
	WritePath(ctx context.Context, id, path string, tar io.Reader, how CopyIn) error
	Processes(ctx context.Context, id string) ([]int, error)
	LogPath(ctx context.Context, id string) (string, error)
	// Await waits from the call on, with until in Docker's words.
	Await(ctx context.Context, id, until string) (wait func(ctx context.Context) (wire.Container, error), err error)
	// Attach gives a stream of the run under way or of the next one, once it
	// begins.
	Attach(ctx context.Context, id string) (wait func() (viewer.Stream, error), err error)
	PrepareExec(ctx context.Context, id string, req wire.ExecContainer, stdin bool, detachKeys string) (Exec, error)
	StartExec(ctx context.Context, id string, cols, rows uint16) (viewer.Stream, error)
	InspectExec(ctx context.Context, id string) (Exec, error)
}

// Events is what the API needs of the bus.
type Events interface {
	// Subscribe gives the kept events from a time on, zero for none of them,
	// then what happens. next waits; done ends the subscription.
	Subscribe(since time.Time) (next func(ctx context.Context) (wire.Event, error), done func(), err error)
	// Act tells what a client did to an image, a volume or a network (of) that
	// left it what it is, in Docker's words.
	Act(of, id, action string, attributes map[string]string)
}
