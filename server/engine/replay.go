//go:build linux

package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/jsonlog"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/engine/bundle"
)

// replaySize is the number of bytes of output that a late viewer sees, the
// size of the shim's ring.
const replaySize = 256 << 10

// replay returns the last output of a container that has ended, from its log.
func (s *Service) replay(rec record) (Stream, error) {
	chunks, err := lastOutput(filepath.Join(s.folder(rec.ID), "log"))
	if err != nil {
		return nil, fmt.Errorf("log of container %s: %w", bundle.ShortID(rec.ID), err)
	}
	return newEnded(rec, chunks), nil
}

// lastOutput reads the last replaySize bytes of a log. A record holds a byte at
// least, so that many records are enough.
func lastOutput(path string) (chunks []shim.Chunk, err error) {
	r, err := jsonlog.NewReader(path, replaySize)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	total := 0
	for {
		line, err := r.Next()
		if err == io.EOF {
			return chunks, nil
		}
		if err != nil {
			return nil, err
		}
		chunks = append(chunks, shim.Chunk{Stream: line.Stream, Data: line.Data})
		for total += len(line.Data); total > replaySize && len(chunks) > 1; chunks = chunks[1:] {
			total -= len(chunks[0].Data)
		}
	}
}

// ended is the stream of a container that has ended.
type ended struct {
	rec    record
	chunks []shim.Chunk
	bytes  int64
}

func newEnded(rec record, chunks []shim.Chunk) *ended {
	e := &ended{rec: rec, chunks: chunks}
	for _, c := range chunks {
		e.bytes += int64(len(c.Data))
	}
	return e
}

func (e *ended) TTY() bool     { return e.rec.TTY }
func (e *ended) Replay() int64 { return e.bytes }
func (e *ended) Close() error  { return nil }

func (e *ended) Next() (shim.Chunk, error) {
	if len(e.chunks) == 0 {
		return shim.Chunk{}, io.EOF
	}
	c := e.chunks[0]
	e.chunks = e.chunks[1:]
	return c, nil
}

func (e *ended) Exit() *shim.Exit {
	exit := &shim.Exit{At: time.Time{}}
	if e.rec.ExitCode != nil {
		exit.Code = *e.rec.ExitCode
	}
	if e.rec.FinishedAt != nil {
		exit.At = *e.rec.FinishedAt
	}
	return exit
}

func (e *ended) Write([]byte) (int, error) { return 0, e.over() }
func (e *ended) CloseWrite() error         { return nil }

func (e *ended) over() error {
	return imagecore.NewError(imagecore.ErrConflict, "container-not-running",
		"container "+bundle.ShortID(e.rec.ID)+" has ended", "container", e.rec.Name)
}
