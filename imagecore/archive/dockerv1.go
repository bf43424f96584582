package archive

import (
	"github.com/layerlab/layerlab/imagecore"
)

func (r *reader) dockerV1() error {
	return imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format", "not yet: "+formatV1, "format", formatV1)
}
