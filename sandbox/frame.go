package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// The child answers in frames on its standard output:
//
//	kind uint32 little-endian, length uint32 little-endian, length bytes
//
// Kinds are the guest's, and two of the child itself.
const (
	frameProgress guest.Kind = 100 // done, total: two int64 little-endian
	frameDone     guest.Kind = 101 // the last one, of length 0
	frameUnpacked guest.Kind = 102 // JSON of unpacked, after KindInside
	frameBegun    guest.Kind = 103 // of length 0: the module is compiled, the child locked down
)

// job is what the child reads from its standard input, as one line of JSON.
// What follows on it, even its end, asks the child to stop.
type job struct {
	Size    int64            `json:"size"` // bytes of the archive
	Lens    string           `json:"lens"`
	Limits  imagecore.Limits `json:"limits"`
	Memory  int64            `json:"memory"`  // bytes of the guest's memory
	Seconds int64            `json:"seconds"` // of processor time
	Cache   string           `json:"cache"`   // folder for compiled modules, "" for none

	// Prepare wants the module translated and kept in Cache, and nothing read.
	Prepare bool `json:"prepare,omitempty"`

	// Read wants what it takes to store the archive; Spool is then there.
	Read bool `json:"read,omitempty"`
	// Runs say where the archive lies where it is not all of descriptor 3.
	Runs []run `json:"runs,omitempty"`

	// Of a command; nil is a survey, or Read.
	Command json.RawMessage `json:"command,omitempty"`
	Second  *int64          `json:"second,omitempty"` // bytes of the second archive, on descriptor 5
}

// run is a part of the archive.
type run struct {
	File int   `json:"file"` // its descriptor
	At   int64 `json:"at"`   // where it begins there, in bytes
	Size int64 `json:"size"` // bytes
}

func writeFrame(w io.Writer, kind guest.Kind, p []byte) error {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:4], uint32(kind))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(p)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(p)
	return err
}

// readFrame reads one frame of at most limit bytes: what the guest hands out
// lay in its memory.
func readFrame(r io.Reader, limit int64) (guest.Kind, []byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	kind, n := guest.Kind(binary.LittleEndian.Uint32(head[:4])), int64(binary.LittleEndian.Uint32(head[4:]))
	if n > limit {
		return 0, nil, fmt.Errorf("the sandbox answered with a piece of %d bytes, beyond its memory", n)
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return kind, p, nil
}
