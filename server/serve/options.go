//go:build linux

package serve

import (
	"context"
	"io"
	"log/slog"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/store"
	"github.com/layerlab/layerlab/server/store/folders"
)

// Options are the settings of `layerlab serve`.
type Options struct {
	Listen string // host:port
	Data   string // DATA
	RunDir string // RUN; "" is DATA/run
	// DockerSocket is where the Docker API listens, for its owner alone; "" is
	// DATA/docker.sock.
	DockerSocket string

	// Token is the token itself, TokenFile where it stands; without either it
	// is kept in DATA.
	Token, TokenFile string
	AllowHosts       []string // further names of this server
	EmbedOrigins     []string // of pages that may show this one in a frame
	TLSCert, TLSKey  string   // PEM files; both or none
	BehindProxy      bool     // a proxy speaks TLS for us

	Limits imagecore.Limits // zero: imagecore.DefaultLimits
	// Read opens uploads; nil reads them in this process. See Sandboxed.
	Read store.Reader
	// Prepare does beside the start what Read would else do first; Read waits for
	// it. nil is nothing.
	Prepare func(ctx context.Context) error
	// Unpack makes the folders of layers; nil does it in a process of Runtime
	// that is confined to them.
	Unpack folders.Unpack
	// Runtime is the program layerlab-helper.
	Runtime []byte
	Samples []Sample
	// Teaching tightens the limits of containers.
	Teaching bool
	// AllowBind are folders beneath which the page may bind-mount, AllowDevices
	// the devices that containers may have, AllowUnconfined allows containers
	// without seccomp filter or masked paths.
	AllowBind, AllowDevices []string
	AllowUnconfined         bool
	// Rootfs is how roots are mounted; "" finds out what the host can.
	Rootfs snapshot.Method

	// Runtimes are further OCI runtimes, "name" or "name=path"; DefaultRuntime is
	// the one for containers that ask for none, "" the server's own.
	Runtimes       []string
	DefaultRuntime string

	// Rootless says that the server runs in a user namespace of runtime/rootless;
	// CannotRun, of an ordinary user outside of one, what is missing for it.
	Rootless  bool
	CannotRun error

	Network NetworkOptions

	Version string
	Log     *slog.Logger
	// Started is told, once requests are answered, the address that logs in
	// once. It may be nil.
	Started func(url string)
}

// Sample is an image that is stored at the first start. Who removes it does not
// get it back until its content changes.
type Sample struct {
	Name string // for the log
	Open func() (io.ReadCloser, error)
}
