//go:build linux

package shim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// ErrSlow is what Stream.Next returns when the shim has dropped this viewer
// because it did not read for too long. The process lives on: attach again.
var ErrSlow = errors.New("dropped as too slow: attach again")

// Chunk is a piece of output.
type Chunk struct {
	Stream byte // console.Stdout or console.Stderr; a terminal has only the first
	Data   []byte
}

// Stream is one viewer of one process. Next, and the methods that give input,
// may be called from two goroutines.
type Stream struct {
	ctx     context.Context // of Attach: tells its end from the shim's
	client  *Client
	conn    *net.UnixConn
	release func() bool
	r       *bufio.Reader
	head    attached
	exit    *Exit
	end     error

	mu sync.Mutex // one frame of input at a time
}

// TTY says whether the process has a terminal.
func (s *Stream) TTY() bool { return s.head.TTY }

// Replay is the number of bytes of earlier output with which the stream
// begins.
func (s *Stream) Replay() int64 { return s.head.Replay }

// Next returns the next piece of output. io.EOF: the process has ended and
// that was all, see Exit. ErrSlow: dropped. ErrGone (among the causes): the
// shim is no more. Who does not call it holds the process back, for two seconds
// beyond the first megabyte.
func (s *Stream) Next() (Chunk, error) {
	if s.end != nil {
		return Chunk{}, s.end
	}
	f, err := readFrame(s.r)
	if err != nil {
		s.end = s.client.trail(s.ctx, err)
		return Chunk{}, s.end
	}
	switch f.Type {
	case frameData:
		return Chunk{f.Stream, f.Payload}, nil
	case frameSlow:
		s.end = ErrSlow
	case frameExit:
		s.exit = &Exit{}
		s.end = io.EOF
		if err := json.Unmarshal(f.Payload, s.exit); err != nil {
			s.end = fmt.Errorf("exit frame: %w", err)
		}
	default:
		s.end = fmt.Errorf("frame of type %d in a stream", f.Type)
	}
	return Chunk{}, s.end
}

// Exit is how the process ended, once Next has returned io.EOF; else nil.
func (s *Stream) Exit() *Exit { return s.exit }

// inputPiece is how much input goes into one frame.
const inputPiece = 32 << 10 // bytes

// Write gives the process input. It returns once the shim has it, which waits
// for a process that does not read.
func (s *Stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(p) {
		piece := p[n:min(n+inputPiece, len(p))]
		if err := writeFrame(s.conn, frameData, 0, piece); err != nil {
			return n, s.client.trail(s.ctx, err)
		}
		n += len(piece)
	}
	return n, nil
}

// CloseWrite ends the input of a process without a terminal, for all viewers.
func (s *Stream) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := writeFrame(s.conn, frameEnd, 0, nil); err != nil {
		return s.client.trail(s.ctx, err)
	}
	return nil
}

// Close ends the stream; the process lives on.
func (s *Stream) Close() error {
	s.release()
	return s.conn.Close()
}
