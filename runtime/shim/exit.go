//go:build linux

package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Exit is how a process ended; of the container's own it is kept as exit.json.
type Exit struct {
	// Code is the exit code, 128+n for signal n, 126 or 127 for a command
	// that could not be run.
	Code      int       `json:"code"`
	Signal    int       `json:"signal,omitempty"`
	OOMKilled bool      `json:"oomKilled,omitempty"` // the kernel killed a process of the container for lack of memory
	StartedAt time.Time `json:"startedAt"`           // zero: never started
	At        time.Time `json:"at"`
	Error     *Failure  `json:"error,omitempty"` // why it never ran
}

// exitOf reads what wait(2) said.
func exitOf(status unix.WaitStatus, started, at time.Time) *Exit {
	e := &Exit{StartedAt: started, At: at}
	if status.Signaled() {
		e.Signal = int(status.Signal())
		e.Code = 128 + e.Signal
	} else {
		e.Code = status.ExitStatus()
	}
	return e
}

func exitFrame(exit *Exit) []byte {
	b, err := json.Marshal(exit)
	if err != nil { // numbers, times and strings: cannot be
		panic(err)
	}
	return encodeFrame(frameExit, 0, b)
}

// writeExit makes the record durable: whoever finds the file finds all of it.
func writeExit(path string, exit *Exit) (err error) {
	b, err := json.Marshal(exit)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".exit-")
	if err != nil {
		return fmt.Errorf("record exit: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
			err = fmt.Errorf("record exit: %w", err)
		}
	}()
	_, err = tmp.Write(append(b, '\n'))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadExit reads exit.json; os.ErrNotExist says that there is none.
func ReadExit(path string) (*Exit, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var e Exit
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &e, nil
}
