//go:build linux

package shim

import (
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/runtime/foreign"
	"github.com/layerlab/layerlab/runtime/jsonlog"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// Options says what a shim is to create. Paths are absolute.
type Options struct {
	// Executable is layerlab-runtime in a sealed memfd (sealed.Copy): what a
	// container reaches through /proc/self/exe can then not be written
	// (CVE-2019-5736). Start does not close it.
	Executable *os.File `json:"-"`

	ID     string `json:"id"`     // of the container
	Bundle string `json:"bundle"` // folder with config.json

	Socket string `json:"socket"` // at most 107 bytes (unix(7)); made with mode 0600
	Log    string `json:"log"`    // appended to; "": none
	// LogLimits say how the log is kept.
	LogLimits jsonlog.Limits `json:"logLimits,omitzero"`

	ExitFile string `json:"exitFile"` // written when the container has ended

	// Layers, base first, with Upper and Work become the root (package
	// snapshot). Without layers and upper config.json's root.path is used.
	Layers []snapshot.Layer `json:"layers"`
	Upper  string           `json:"upper"`
	Work   string           `json:"work"`
	Method snapshot.Method  `json:"method"` // "": found out

	// Mounts are the bind mounts of config.json whose source the caller opened.
	Mounts []Mount `json:"mounts,omitempty"`

	// Runtime makes the container in our stead; nil: package launch does.
	Runtime *foreign.Runtime `json:"runtime,omitempty"`

	Cgroup string `json:"cgroup"` // "": linux.cgroupsPath of config.json

	Cols  uint16 `json:"cols"` // first size of the terminal, in characters
	Rows  uint16 `json:"rows"`
	Stdin bool   `json:"stdin"` // without a terminal: keep standard input open; else it is /dev/null
}

// Mount is a bind mount of config.json by its source's descriptor: the caller
// has judged what it opened, and by its path it could be something else by now.
type Mount struct {
	Index int `json:"index"` // in config.json's mounts
	// Source is open with O_PATH at least; Start does not close it.
	Source    *os.File `json:"-"`
	Recursive bool     `json:"recursive,omitempty"` // with what is mounted beneath it
	// Plain leaves the owners as they are on disk, where the container's root is
	// nobody; else they are mapped: root there is root here.
	Plain bool `json:"plain,omitempty"`
}

// ExecOptions says how a further process is run.
type ExecOptions struct {
	ID    string `json:"id"` // chosen by the caller; "": made up
	Cols  uint16 `json:"cols"`
	Rows  uint16 `json:"rows"`
	Stdin bool   `json:"stdin"` // as in Options
	// Hold keeps the output in the process's pipes until somebody attaches, or
	// it ends: so that the first viewer misses nothing, however much it is.
	Hold bool `json:"hold,omitempty"`
}

// States of a container, as OCI's runtime-spec names them but for the last two,
// which are Docker's.
const (
	StatusCreated = "created"
	StatusRunning = "running"
	StatusPaused  = "paused"
	StatusExited  = "exited"
)

// State is what a shim knows of its container.
type State struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Pid       int       `json:"pid"` // on the host; 0 once ended
	TTY       bool      `json:"tty"`
	StartedAt time.Time `json:"startedAt"` // zero: not yet
	Exit      *Exit     `json:"exit,omitempty"`
	Execs     []Process `json:"execs"` // those that run and the last that ended, sorted by id
	// LogLost is the number of bytes of output that the log could not take.
	LogLost int64 `json:"logLost,omitempty"`
	// ExitError says why exit.json could not be written.
	ExitError string `json:"exitError,omitempty"`
}

// Process is an exec'd process.
type Process struct {
	ID   string `json:"id"`
	Pid  int    `json:"pid"` // on the host; 0 once ended
	TTY  bool   `json:"tty"`
	Exit *Exit  `json:"exit,omitempty"`
}

// request is what a client asks; fields that an operation does not need are
// absent.
type request struct {
	Op      string         `json:"op"`
	ID      string         `json:"id,omitempty"` // "": the container's own process
	Signal  int            `json:"signal,omitempty"`
	All     bool           `json:"all,omitempty"`
	Cols    uint16         `json:"cols,omitempty"`
	Rows    uint16         `json:"rows,omitempty"`
	Process *specs.Process `json:"process,omitempty"`
	Exec    *ExecOptions   `json:"exec,omitempty"`
}

// attached answers an attach.
type attached struct {
	TTY    bool  `json:"tty"`
	Replay int64 `json:"replay"` // bytes
}
