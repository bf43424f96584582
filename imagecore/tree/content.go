package tree

import (
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tarscan"
)

// Content returns a reader of a file's content, given random access to the
// uncompressed tar of the layer that holds it; e is Tree.Entry of a
// Node.Content or LayerChange.Content. See tarscan.Content.
func Content(layer io.ReaderAt, e *imagecore.Entry) io.Reader { return tarscan.Content(layer, e) }
