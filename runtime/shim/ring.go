//go:build linux

package shim

import "bytes"

// ReplaySize is how much of a process's last output is kept for those who
// attach later.
const ReplaySize = 256 << 10 // bytes

// chunk is a piece of output.
type chunk struct {
	Stream byte
	Data   []byte
}

// ring keeps the last ReplaySize bytes of output, by stream and in order. It
// takes memory as output comes, not before.
type ring struct {
	chunks []chunk
	size   int  // bytes in chunks
	lost   bool // something older has been dropped
}

// minChunk is what small writes are gathered up to, so that a program that
// writes byte by byte does not cost a slice for each.
const minChunk = 4 << 10 // bytes

// add takes a copy of p.
func (r *ring) add(stream byte, p []byte) {
	if len(p) > ReplaySize {
		p = p[len(p)-ReplaySize:]
		r.lost = true
	}
	if n := len(r.chunks); n > 0 && r.chunks[n-1].Stream == stream && len(r.chunks[n-1].Data)+len(p) <= minChunk {
		r.chunks[n-1].Data = append(r.chunks[n-1].Data, p...)
	} else {
		r.chunks = append(r.chunks, chunk{stream, append(make([]byte, 0, max(len(p), 256)), p...)})
	}
	r.size += len(p)
	for r.size > ReplaySize {
		over := r.size - ReplaySize
		r.lost = true
		if len(r.chunks[0].Data) > over {
			r.chunks[0].Data = r.chunks[0].Data[over:]
			r.size -= over
			return
		}
		r.size -= len(r.chunks[0].Data)
		r.chunks[0] = chunk{}
		r.chunks = r.chunks[1:]
	}
}

// replay returns a copy of what is kept. If older output has been dropped it
// begins after a line's end where one is near, so that it begins neither within
// a character nor within a terminal's control sequence.
func (r *ring) replay() []chunk {
	out := make([]chunk, 0, len(r.chunks))
	for _, c := range r.chunks {
		out = append(out, chunk{c.Stream, bytes.Clone(c.Data)})
	}
	if r.lost && len(out) > 0 {
		if i := bytes.IndexByte(out[0].Data, '\n'); i >= 0 && i+1 < len(out[0].Data) {
			out[0].Data = out[0].Data[i+1:]
		}
	}
	return out
}
