// Package wire holds the JSON types of the lab's own API, /api/v1. They are
// the contract between the server and the page: the TypeScript types of the
// page are generated from them (see wire_test.go) and the OpenAPI document
// describes them. Times are RFC 3339 in UTC; sizes are bytes.
package wire

import (
	"encoding/json"
	"time"
)

// Error is the body of every answer with a status of 400 or more.
type Error struct {
	Code      string            `json:"code"`    // worded by the page, e.g. "image-not-found"
	Args      map[string]string `json:"args"`    // what the words of Code need
	Message   string            `json:"message"` // English
	RequestID string            `json:"requestID"`
}

// Image is an image of the store as lists show it.
type Image struct {
	ID         string       `json:"id"`       // digest of the config
	Refs       []string     `json:"refs"`     // "name:tag", sorted
	Platform   string       `json:"platform"` // os/arch[/variant]
	Created    time.Time    `json:"created"`
	Size       int64        `json:"size"`     // bytes of all layers' tars, uncompressed
	Unpacked   int64        `json:"unpacked"` // bytes of their files alone, unpacked: the SIZE of docker images
	Layers     []ImageLayer `json:"layers"`
	Containers int          `json:"containers"` // how many containers are made of it
	Sample     bool         `json:"sample"`     // came with layerlab
	// CommittedFrom is the id of the container that it was committed from, ""
	// for one that came otherwise. The container may be gone.
	CommittedFrom string `json:"committedFrom,omitempty"`
}

// ImageLayer is a layer of an Image.
type ImageLayer struct {
	DiffID    string `json:"diffID"`
	ChainID   string `json:"chainID"`
	Size      int64  `json:"size"` // bytes, uncompressed tar
	CreatedBy string `json:"createdBy"`
}

// ImageList answers GET /images, newest first.
type ImageList struct {
	Images []Image `json:"images"`
}

// TagImage is the body of POST /images/{id}/tag. Another image that had the name
// loses it.
type TagImage struct {
	Ref string `json:"ref"` // "name:tag", ":latest" where there is none
}

// PruneImages is the body of POST /images/prune: images without a name that no
// container has or, with All, every one that no container has.
type PruneImages struct {
	All bool `json:"all,omitempty"`
}

// Kinds of files of an archive.
const (
	ArchiveRegular = "file"
	ArchiveFolder  = "folder"
	ArchiveLink    = "link"
)

// ArchiveFile is a record of an archive itself, not of a layer in it.
type ArchiveFile struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Size   int64  `json:"size"`           // bytes of content
	Target string `json:"target"`         // where a link leads, "" for others
	Text   string `json:"text,omitempty"` // the content of a document
}

// ArchiveFiles answers GET /images/{id}/files: what docker save writes of the
// image, in its order.
type ArchiveFiles struct {
	Files []ArchiveFile `json:"files"`
}

// Container states, as Docker names them.
const (
	StateCreated = "created"
	StateRunning = "running"
	StatePaused  = "paused"
	StateExited  = "exited"
	// StateRestarting is that of a container that has ended and waits for its
	// policy to start it again.
	StateRestarting = "restarting"
)

// Container is a container as lists show it.
type Container struct {
	ID         string     `json:"id"`       // 64 hexadecimal digits
	Name       string     `json:"name"`     // Docker's manner: adjective_noun
	Image      string     `json:"image"`    // id of the image
	ImageRef   string     `json:"imageRef"` // what the creator asked for
	Command    []string   `json:"command"`  // entrypoint and arguments
	State      string     `json:"state"`
	TTY        bool       `json:"tty"`
	Pid        int        `json:"pid"`      // on the host, 0 unless running
	ExitCode   *int       `json:"exitCode"` // null until it ended; 128+n for signal n
	Error      *Error     `json:"error"`    // why it could not start
	CreatedAt  time.Time  `json:"createdAt"`
	StartedAt  *time.Time `json:"startedAt"`
	FinishedAt *time.Time `json:"finishedAt"`
	// RestartCount is how often its policy has started it again.
	RestartCount int  `json:"restartCount,omitempty"`
	OOMKilled    bool `json:"oomKilled,omitempty"` // a process of the last run was killed for lack of memory
	// Runtime makes its processes; absent: the server's own, which alone has a
	// plan and a trace.
	Runtime string `json:"runtime,omitempty"`
	// Health is "starting", "healthy" or "unhealthy", absent where nothing is
	// checked.
	Health string `json:"health,omitempty"`
	// Labels are the container's own, without the image's.
	Labels map[string]string `json:"labels,omitempty"`
}

// ContainerList answers GET /containers, newest first.
type ContainerList struct {
	Containers []Container `json:"containers"`
}

// CreateContainer is the body of POST /containers. Absent fields take the
// image's config; Cols and Rows are the terminal's first size.
type CreateContainer struct {
	Image      string   `json:"image"` // id or "name:tag"
	Name       string   `json:"name,omitempty"`
	Command    []string `json:"command,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	Env        []string `json:"env,omitempty"` // "KEY=value", added to the image's
	WorkingDir string   `json:"workingDir,omitempty"`
	User       string   `json:"user,omitempty"` // name, uid, name:group or uid:gid
	Hostname   string   `json:"hostname,omitempty"`
	TTY        bool     `json:"tty"`
	Cols       uint16   `json:"cols,omitempty"`
	Rows       uint16   `json:"rows,omitempty"`

	Domainname string      `json:"domainname,omitempty"`
	Mounts     []MountSpec `json:"mounts,omitempty"`
	Limits     *Limits     `json:"limits,omitempty"`
	Security   *Security   `json:"security,omitempty"`
	Restart    *Restart    `json:"restart,omitempty"`
	Log        *LogLimits  `json:"log,omitempty"`
	// Init puts a small first process into the container that hands signals on
	// and takes orphans in.
	Init bool `json:"init,omitempty"`
	// Runtime is one of Info's; absent: its default.
	Runtime string `json:"runtime,omitempty"`
}

// NewContainer is the body of POST /containers: CreateContainer, and what the
// Docker API has places of its own for.
type NewContainer struct {
	CreateContainer
	Network    *ContainerNetwork `json:"network,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	AutoRemove bool              `json:"autoRemove,omitempty"` // remove the container when it has ended
	// Health is a check before the image's.
	Health *HealthCheck `json:"health,omitempty"`
	// StopSignal and StopTimeout (seconds) come before the image's and 10.
	StopSignal  string `json:"stopSignal,omitempty"`
	StopTimeout *int   `json:"stopTimeout,omitempty"`
}

// CreatedContainer answers it.
type CreatedContainer struct {
	Container
	// Warnings say where it is otherwise than was perhaps meant.
	Warnings []Warning `json:"warnings"`
}

// Warning is something to know, worded by the page as an Error is.
type Warning struct {
	Code    string            `json:"code"`
	Args    map[string]string `json:"args"`
	Message string            `json:"message"` // English
}

// RenameContainer is the body of POST /containers/{id}/rename.
type RenameContainer struct {
	Name string `json:"name"`
}

// StopContainer is the body of POST /containers/{id}/stop and /restart: Signal (default: the
// container's StopSignal, else SIGTERM), then SIGKILL after Timeout seconds
// (default 10).
type StopContainer struct {
	Timeout *int   `json:"timeout,omitempty"`
	Signal  string `json:"signal,omitempty"` // "SIGINT", "INT" or "2"
}

// KillContainer is the body of POST /containers/{id}/kill; default SIGKILL.
type KillContainer struct {
	Signal string `json:"signal,omitempty"` // "SIGHUP", "HUP" or "1"
}

// CommitContainer is the body of POST /containers/{id}/commit.
type CommitContainer struct {
	Ref     string   `json:"ref,omitempty"` // "name:tag"; none leaves the image dangling
	Message string   `json:"message,omitempty"`
	Author  string   `json:"author,omitempty"`
	Changes []string `json:"changes,omitempty"` // Dockerfile lines: CMD, ENV, …
}

// ExecContainer is the body of POST /containers/{id}/exec.
type ExecContainer struct {
	Command    []string `json:"command"`
	Env        []string `json:"env,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	User       string   `json:"user,omitempty"`
	TTY        bool     `json:"tty"`
	Cols       uint16   `json:"cols,omitempty"`
	Rows       uint16   `json:"rows,omitempty"`
}

// Exec answers it; ID names a terminal.
type Exec struct {
	ID string `json:"id"`
}

// Change is one path of a container's layer.
type Change struct {
	Kind string `json:"kind"` // A added, C changed, D deleted
	Path string `json:"path"` // percent-escaped where not UTF-8
	Type string `json:"type"` // file, dir, symlink, char, block, fifo, socket; of what was there for D
	Size int64  `json:"size"` // bytes of content now, 0 for D
	// CopiedUp is the number of bytes that the kernel copied from the layers
	// below before the first write; 0 for what is new.
	CopiedUp int64  `json:"copiedUp"`
	Mode     string `json:"mode,omitempty"` // "0755"
	// Passed: it lies in the container's layer and is as it was below: copied up
	// for nothing, or a folder of which the time alone changed. `docker diff`
	// leaves it out.
	Passed bool `json:"passed,omitempty"`
	Opaque bool `json:"opaque,omitempty"`
	// By is the process that touched it last, where the container's layer has a
	// size and the process was seen.
	By *Writer `json:"by,omitempty"`
}

// Writer is a process that wrote into a container's layer. It may have ended.
type Writer struct {
	Host   int    `json:"host"`             // its number on the host
	Inside int    `json:"inside,omitempty"` // in the container; 0 where it ended before it was looked at
	Name   string `json:"name,omitempty"`   // as the kernel keeps it, 15 bytes at most; "" likewise
}

// Changes answers GET /containers/{id}/changes and is the data of the event
// container.changes, sorted by path.
type Changes struct {
	Changes  []Change `json:"changes"`
	Bytes    int64    `json:"bytes"`    // content in the container's layer, targets of symbolic links included
	CopiedUp int64    `json:"copiedUp"` // of which copied up
	// Truncated says that there are more changes than are listed (10,000).
	Truncated bool `json:"truncated"`
}

// Event kinds. Data is the Image or Container concerned, but for those noted.
const (
	EventImageCreated     = "image.created"
	EventImageDeleted     = "image.deleted"   // data null
	EventImageTagged      = "image.tagged"    // data NamedImage
	EventImageUntagged    = "image.untagged"  // data NamedImage
	EventUploadProgress   = "upload.progress" // data UploadProgress; never replayed
	EventContainerCreated = "container.created"
	EventContainerStarted = "container.started"
	EventContainerPaused  = "container.paused"
	EventContainerResumed = "container.resumed"
	EventContainerExited  = "container.exited"
	EventContainerDeleted = "container.deleted"
	EventContainerChanges = "container.changes" // data Changes; never replayed
	EventContainerRenamed = "container.renamed"
	EventContainerOOM     = "container.oom" // the kernel killed a process for lack of memory
	EventContainerUpdated = "container.updated"
	EventVolumeCreated    = "volume.created" // data Volume
	EventVolumeDeleted    = "volume.deleted" // data Volume
	// EventAction is what was done to something and left it what it is: a signal
	// was sent, a process executed, a file copied. Data is Action.
	EventAction = "action"
	// EventRecording says that a recording began, ended or was deleted. Data is
	// Recording, null once it is deleted; never replayed.
	EventRecording = "recording"
	// EventResync says that events are missing here: read the lists anew.
	// Its ID is empty, its data null.
	EventResync = "resync"
	// EventAlive says that nothing happened for a while and the connection
	// stands. Its ID is empty, its data null; never replayed.
	EventAlive = "alive"
)

// Event is one server-sent event of GET /events?since=SEQ. Seq rises by one
// for each kept event; those that are never replayed carry the last kept one.
type Event struct {
	Seq  uint64          `json:"seq"`
	Time time.Time       `json:"time"`
	Kind string          `json:"kind"`
	ID   string          `json:"id"` // of the image, container or upload
	Data json.RawMessage `json:"data"`
}

// Action is the data of the event action; the event's id is that of the
// container, image, volume or network.
type Action struct {
	Of         string            `json:"of"`         // container, image, volume or network
	Action     string            `json:"action"`     // in Docker's words: "kill", "exec_create: sh"
	Attributes map[string]string `json:"attributes"` // "name", "image", "signal", …
}

// NamedImage is an image and the name that was given to it or taken away.
type NamedImage struct {
	Image
	Ref string `json:"ref"` // "name:tag"
}

// Upload phases.
const (
	UploadReceiving = "receiving" // Done and Total count bytes of the body
	UploadReading   = "reading"   // bytes of the archive scanned
	UploadStoring   = "storing"   // bytes of blobs hashed and written
)

// UploadProgress is the data of upload.progress; the event's id is the one
// that the uploader chose in POST /images?upload=ID.
type UploadProgress struct {
	Phase string `json:"phase"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // -1 where unknown
}

// SessionRequest is the body of POST /session: the one-time code of the URL's
// fragment. The answer's secret is sent as Authorization: Bearer from then on.
type SessionRequest struct {
	Code string `json:"code"`
}

// Session answers it.
type Session struct {
	Secret string `json:"secret"`
}

// TicketRequest is the body of POST /tickets: the path and query, without the
// ticket parameter, for which a single-use ticket of 30 seconds is wanted.
type TicketRequest struct {
	Path string `json:"path"` // "/api/v1/events?since=7"
}

// Ticket answers it: append it to the query as ticket=….
type Ticket struct {
	Ticket string `json:"ticket"`
}

// Control is a text frame of GET /terminals/{id}. Binary frames are terminal
// bytes, both ways.
//
// From the page: "resize" (Cols, Rows), "ack" (Bytes: the total of terminal
// bytes that the page has handed to its screen since the connection began).
// From the server: "ready" (Bytes: how many bytes of replay follow; TTY; to a
// guest Cols and Rows, the terminal's size), "resize" (to a guest: the size has
// become another), "exit" (Code), "error" (Error). The server stops sending while more than
// 1 MiB is not acknowledged.
type Control struct {
	Type  string `json:"type"`
	Cols  uint16 `json:"cols,omitempty"`
	Rows  uint16 `json:"rows,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	Code  *int   `json:"code,omitempty"`
	TTY   bool   `json:"tty,omitempty"`
	Error *Error `json:"error,omitempty"`
}

// Info answers GET /info: what this server is and can do.
type Info struct {
	Version    string   `json:"version"`
	Kernel     string   `json:"kernel"`
	Rootfs     string   `json:"rootfs"` // how container roots are mounted: lowerdir+, idmapped-names, shared-ids
	CanRun     bool     `json:"canRun"`
	RunProblem *Error   `json:"runProblem"` // why it cannot
	MaxUpload  int64    `json:"maxUpload"`  // bytes
	Hosts      []string `json:"hosts"`      // names under which it answers
	Runtimes   []string `json:"runtimes"`   // by which containers may run, the server's own first
	// DefaultRuntime is for containers that ask for none.
	DefaultRuntime string `json:"defaultRuntime"`
}
