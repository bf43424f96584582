package tree

import (
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore"
)

// Content returns a reader of a file's content, given random access to the
// uncompressed tar of the layer that holds it. It yields exactly e.Size bytes,
// the holes of a sparse file as zeros, or io.ErrUnexpectedEOF where the tar
// ends before.
func Content(layer io.ReaderAt, e *imagecore.Entry) io.Reader {
	c := &content{layer: layer, entry: e}
	if e.Sparse == nil {
		c.whole[0] = imagecore.Fragment{Length: e.Size}
		c.fragments = c.whole[:]
	} else {
		c.fragments = e.Sparse
	}
	return c
}

type content struct {
	layer     io.ReaderAt
	entry     *imagecore.Entry
	fragments []imagecore.Fragment // not read yet
	whole     [1]imagecore.Fragment
	done      int64 // bytes of the file read
	within    int64 // bytes of the first fragment read
	stored    int64 // bytes of the tar's content read
}

func (c *content) Read(p []byte) (int, error) {
	if c.done >= c.entry.Size {
		return 0, io.EOF
	}
	for len(c.fragments) > 0 && c.within >= c.fragments[0].Length {
		c.fragments, c.within = c.fragments[1:], 0
	}
	if left := c.entry.Size - c.done; int64(len(p)) > left {
		p = p[:left]
	}
	if len(c.fragments) == 0 || c.done < c.fragments[0].Offset {
		if len(c.fragments) > 0 {
			p = p[:min(int64(len(p)), c.fragments[0].Offset-c.done)]
		}
		clear(p)
		c.done += int64(len(p))
		return len(p), nil
	}
	p = p[:min(int64(len(p)), c.fragments[0].Length-c.within)]
	n, err := c.layer.ReadAt(p, c.entry.DataOffset+c.stored)
	c.done += int64(n)
	c.within += int64(n)
	c.stored += int64(n)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF || err == nil {
		err = fmt.Errorf("content of %q at byte %d: %w", c.entry.Name, c.entry.DataOffset+c.stored, io.ErrUnexpectedEOF)
	}
	return n, err
}
