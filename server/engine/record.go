//go:build linux

package engine

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/health"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Bucket is a bucket of meta.db. The *bolt.Bucket is valid within the call.
type Bucket interface {
	Update(func(*bolt.Bucket) error) error
	View(func(*bolt.Bucket) error) error
}

// record is what meta.db knows of a container: the key is its id, the value
// this as JSON.
type record struct {
	ID       string
	Owner    string // "" in records of old: the sole owner
	Page     bool   // made by a page: less of the host is open to it
	Name     string
	Image    digest.Digest
	ImageRef string // as the creator wrote it
	Command  []string
	TTY      bool
	IDs      idrange.Range
	// Hostname, and the rest of what was asked for, is what commit makes the
	// new image's config of.
	Request    wire.CreateContainer
	Settings   Settings
	Mounts     []Mount `json:",omitempty"`
	Runtime    string  `json:",omitempty"` // as it was when the container was made; "": the server's own
	Storage    int64   `json:",omitempty"` // bytes of its layer at most; 0: as many as the disk has
	StopSignal string  // "SIGTERM" in any of its spellings

	State     string // wire.State…
	Starting  bool   // between the call to the shim and the record of its answer
	Pid       int    // on the host
	ExitCode  *int
	Stopped   bool   // by somebody, since it was last started
	Restarts  int    // by its policy, since somebody started it
	OOMKilled bool   // in its last run
	Boot      string // of the host, when it was started: proc(5)'s boot_id
	Error     *wire.Error

	Check  *health.Check `json:",omitempty"` // the image's and the creator's
	Probe  []string      `json:",omitempty"` // what Check runs; none: nothing is
	Health *health.State `json:",omitempty"` // of the last run; never changed in place

	CreatedAt  time.Time
	StartedAt  *time.Time
	FinishedAt *time.Time
}

// view is the record as the page sees it.
func (r *record) view() wire.Container {
	c := wire.Container{
		ID: r.ID, Name: r.Name, Image: r.Image.String(), ImageRef: r.ImageRef, Command: r.Command,
		State: r.State, TTY: r.TTY, ExitCode: r.ExitCode, Error: r.Error,
		Runtime: r.Runtime, RestartCount: r.Restarts, OOMKilled: r.OOMKilled, Labels: r.Settings.Labels,
		CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
	}
	if r.alive() {
		c.Pid = r.Pid
	}
	if r.Health != nil {
		c.Health = r.Health.Status
	}
	return c
}

func (r *record) alive() bool { return r.State == wire.StateRunning || r.State == wire.StatePaused }

// begin, end and fail are the transitions that several operations share.
func (r *record) begin(pid int, at time.Time) {
	at = at.UTC()
	r.State, r.Starting, r.Pid = wire.StateRunning, false, pid
	r.ExitCode, r.Error, r.OOMKilled = nil, nil, false
	r.StartedAt, r.FinishedAt = &at, nil
	if len(r.Probe) > 0 {
		last := health.State{}
		if r.Health != nil {
			last = *r.Health
		}
		r.Health = new(last.Begin())
	}
}

// unwatched notes that a container is probed no longer.
func (r *record) unwatched() {
	if r.Health != nil {
		r.Health = new(r.Health.Stop())
	}
}

func (r *record) end(code int, at time.Time) {
	at = at.UTC()
	r.State, r.Starting, r.Pid = wire.StateExited, false, 0
	r.ExitCode, r.FinishedAt = &code, &at
	r.unwatched()
}

// fail records why a container could not start; the exit codes are those that
// shells and Docker give for a command that is absent (127) or cannot be
// executed (126), and 125 for what is not the command's fault.
func (r *record) fail(err error, at time.Time) {
	problem := problemOf(err)
	code := 125
	switch problem.Code {
	case "command-not-found":
		code = 127
	case "command-not-executable", "bad-cwd", "user-not-found":
		code = 126
	}
	r.end(code, at)
	r.Error = &problem
}

// problemOf gives an error the form in which records and pages hold it.
func problemOf(err error) wire.Error {
	var e *imagecore.Error
	if !errors.As(err, &e) {
		return wire.Error{Code: "internal", Args: map[string]string{}, Message: err.Error()}
	}
	args := e.Args
	if args == nil {
		args = map[string]string{}
	}
	return wire.Error{Code: e.Code, Args: args, Message: e.Error()}
}

// table is the bucket of containers.
type table struct{ bucket Bucket }

func (t table) put(r record) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return t.bucket.Update(func(b *bolt.Bucket) error { return b.Put([]byte(r.ID), value) })
}

func (t table) delete(id string) error {
	return t.bucket.Update(func(b *bolt.Bucket) error { return b.Delete([]byte(id)) })
}

func (t table) all() ([]record, error) {
	var list []record
	err := t.bucket.View(func(b *bolt.Bucket) error {
		return b.ForEach(func(_, value []byte) error {
			var r record
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			list = append(list, r)
			return nil
		})
	})
	return list, err
}
