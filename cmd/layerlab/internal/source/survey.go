package source

import (
	"context"

	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Survey hands the report and the indexes of a located source to sink; it
// reads the archive where Locate has not.
func (s *Source) Survey(ctx context.Context, o Options, lens tree.Lens, sink survey.Sink) error {
	if s.Archive != nil {
		return survey.Of(s.Archive, lens, ctx.Err, sink)
	}
	a, err := survey.Run(s.File, s.Size, archiveOptions(ctx, o), lens, sink)
	s.Archive = a
	return err
}
