//go:build linux

package engine

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/engine/bundle"
)

// replaySize is the number of bytes of output that a late viewer sees, the
// size of the shim's ring.
const replaySize = 256 << 10

// logTail is how much of a log is read for it: JSON escapes a control
// character in six bytes.
const logTail = 6 * replaySize

// replay returns the last output of a container that has ended, from its log.
func (s *Service) replay(rec record) (Stream, error) {
	f, err := os.Open(filepath.Join(s.folder(rec.ID), "log"))
	if os.IsNotExist(err) {
		return newEnded(rec, nil), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	chunks, err := tail(f)
	if err != nil {
		return nil, fmt.Errorf("log of container %s: %w", bundle.ShortID(rec.ID), err)
	}
	return newEnded(rec, chunks), nil
}

// tail reads the last chunks of a json-file log, replaySize bytes at most. A
// record that is cut off, by us or by a full disk, is passed over.
func tail(f *os.File) ([]shim.Chunk, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	start := max(0, end-logTail)
	r := bufio.NewReader(io.NewSectionReader(f, start, end-start))
	if start > 0 {
		if _, err := r.ReadBytes('\n'); err != nil {
			return nil, nil
		}
	}
	var chunks []shim.Chunk
	total := 0
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		var l struct{ Log, Stream string }
		if json.Unmarshal(bytes.TrimSpace(line), &l) != nil {
			continue
		}
		c := shim.Chunk{Stream: 1, Data: []byte(l.Log)}
		if l.Stream == "stderr" {
			c.Stream = 2
		}
		chunks = append(chunks, c)
		total += len(c.Data)
	}
	for len(chunks) > 0 && total > replaySize {
		total -= len(chunks[0].Data)
		chunks = chunks[1:]
	}
	return chunks, nil
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
