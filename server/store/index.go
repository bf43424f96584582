//go:build linux

package store

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/server/store/folders"
)

// The binary index (package imagecore/index) begins with a magic, a version
// and a head, the JSON of one image; what follows depends on the stack of
// layers alone. So the rest is kept beside the topmost layer, once for all
// images of that stack, and the head with the image's record.

const indexMagic = "LLIX\x01"

// splitIndex returns the head and the rest, both parts of b.
func splitIndex(b []byte) (head, rest []byte, err error) {
	if len(b) < len(indexMagic) || string(b[:len(indexMagic)]) != indexMagic {
		return nil, nil, fmt.Errorf("binary index: not of version 1")
	}
	size, n := binary.Uvarint(b[len(indexMagic):])
	start := len(indexMagic) + n
	if n <= 0 || size > uint64(len(b)-start) {
		return nil, nil, fmt.Errorf("binary index: its head is cut off")
	}
	end := start + int(size)
	return b[start:end], b[end:], nil
}

func joinIndex(head, rest []byte) []byte {
	b := make([]byte, 0, len(indexMagic)+binary.MaxVarintLen64+len(head)+len(rest))
	b = append(b, indexMagic...)
	b = binary.AppendUvarint(b, uint64(len(head)))
	b = append(b, head...)
	return append(b, rest...)
}

func layerDir(chain digest.Digest) string  { return "layers/" + folders.Name(chain) }
func indexFile(chain digest.Digest) string { return layerDir(chain) + ".index" }
func blobFile(d digest.Digest) string      { return "blobs/sha256/" + d.Encoded() }

// readIndex puts an image's index together again.
func (s *Store) readIndex(r *record) ([]byte, error) {
	if len(r.Layers) == 0 {
		return joinIndex(r.Head, r.Body), nil
	}
	rest, err := s.readFile(indexFile(r.top()))
	if err != nil {
		return nil, fmt.Errorf("index of image %s: %w", r.ID, err)
	}
	return joinIndex(r.Head, rest), nil
}

func (s *Store) readFile(name string) ([]byte, error) { return s.root.ReadFile(name) }

func (s *Store) openFile(name string) (*os.File, error) { return s.root.Open(name) }
