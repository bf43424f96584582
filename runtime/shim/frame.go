//go:build linux

package shim

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Version of the protocol. A client speaks with every shim of the same version;
// shims of an older binary live on when the server is replaced, so a change
// here needs a client that knows both.
const Version = 1

// Types of frames.
const (
	frameHello   byte = 1
	frameRequest byte = 2
	frameAnswer  byte = 3
	frameFailure byte = 4
	frameData    byte = 5
	frameEnd     byte = 6
	frameExit    byte = 7
	frameSlow    byte = 8
)

const (
	headerSize = 8
	// maxPayload bounds what the other end can make us allocate: a request
	// holds a process's arguments and environment, which the kernel limits to
	// less.
	maxPayload = 4 << 20 // bytes
)

// hello opens a connection, both ways.
type hello struct {
	Version int `json:"version"`
}

type frame struct {
	Type, Stream byte
	Payload      []byte
}

// encodeFrame returns header and payload in one piece, so that a frame is one
// write.
func encodeFrame(typ, stream byte, payload []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(payload))
	b[0], b[1] = typ, stream
	binary.BigEndian.PutUint32(b[4:], uint32(len(payload)))
	return append(b, payload...)
}

func writeFrame(w io.Writer, typ, stream byte, payload []byte) error {
	_, err := w.Write(encodeFrame(typ, stream, payload))
	return err
}

func writeJSON(w io.Writer, typ byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, typ, 0, b)
}

// readFrame returns io.EOF only between two frames.
func readFrame(r io.Reader) (frame, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(h[4:])
	if n > maxPayload {
		return frame{}, fmt.Errorf("frame of %d bytes, at most %d", n, maxPayload)
	}
	f := frame{Type: h[0], Stream: h[1]}
	if n == 0 {
		return f, nil
	}
	f.Payload = make([]byte, n)
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	return f, nil
}

// readJSON reads a frame of the type into v; a failure frame becomes its error.
func readJSON(r io.Reader, typ byte, v any) error {
	f, err := readFrame(r)
	if err != nil {
		return err
	}
	switch f.Type {
	case typ:
		if err := json.Unmarshal(f.Payload, v); err != nil {
			return fmt.Errorf("frame of type %d: %w", typ, err)
		}
		return nil
	case frameFailure:
		var failure Failure
		if err := json.Unmarshal(f.Payload, &failure); err != nil {
			return fmt.Errorf("failure: %w", err)
		}
		return failure.Err()
	}
	return fmt.Errorf("frame of type %d where %d was due", f.Type, typ)
}
