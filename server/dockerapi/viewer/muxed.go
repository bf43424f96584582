package viewer

import (
	"encoding/binary"
	"io"
)

// Muxed writes output as it is for a terminal, else each piece with Docker's
// head of eight bytes: stream, three zeros, length.
type Muxed struct {
	W   io.Writer
	TTY bool
}

func (m Muxed) Write(stream byte, data []byte) error {
	if !m.TTY {
		head := [8]byte{stream}
		binary.BigEndian.PutUint32(head[4:], uint32(len(data)))
		data = append(head[:], data...)
	}
	_, err := m.W.Write(data)
	return err
}
