package archive

import (
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
)

// Place is where the bytes of a layer lie, as stored: for whoever takes them
// from the file without this package.
type Place struct {
	// Within says that Offset counts in what the archive unpacks to; else the
	// archive as a whole is not compressed, or is itself the layer, and it counts
	// in the archive.
	Within bool  `json:"within,omitempty"`
	Offset int64 `json:"offset"` // bytes
	Size   int64 `json:"size"`   // bytes
	// Compression is that of the layer, as codec.Detect names it.
	Compression string `json:"compression"`
}

// Place returns where a layer's bytes lie. In a folder they lie in files of
// their own, and there is no such place.
func (a *Archive) Place(image, layer int) (Place, error) {
	b, err := a.at(image, layer)
	if err != nil {
		return Place{}, err
	}
	p := Place{Offset: b.file.Offset, Size: b.file.Size, Compression: b.compression}
	switch files := a.files.(type) {
	case *outer.Tar:
		p.Within = files.Compression != codec.None
	case outer.Whole:
	default:
		return Place{}, imagecore.NewError(imagecore.ErrUnsupported, "no-place", "the layers of a folder lie in files of their own")
	}
	return p, nil
}
