package archive

import (
	"io/fs"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
)

// OpenFS reads an OCI image layout that is a folder (or a `docker save` archive
// that was unpacked into one). fsys should not lead out of the folder, as
// os.DirFS does through symbolic links: os.OpenRoot(dir).FS() does not.
//
// The archive's size is that of the files that were read.
func OpenFS(fsys fs.FS, o Options) (*Archive, error) {
	r := newReader(o)
	folder := outer.NewFolder(fsys, r.window())
	r.files = folder
	r.source = imagecore.Source{Compression: codec.None}
	has := func(name string) bool {
		info, err := fs.Stat(fsys, name)
		return err == nil && info.Mode().IsRegular()
	}
	switch manifest, index := has("manifest.json"), has("index.json"); {
	case manifest && index:
		r.source.Format = formatHybrid
	case index:
		r.source.Format = formatOCI
	case manifest:
		r.source.Format = formatSave
	default:
		return nil, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format",
			"the folder is not an OCI image layout: it has no index.json; other folders are read as a tar of them", "format", "folder")
	}
	if err := r.read(r.source.Format); err != nil {
		folder.Close()
		return nil, err
	}
	for _, b := range r.docs {
		r.source.Size += int64(len(b))
	}
	for _, b := range r.blobs {
		r.source.Size += b.file.Size
	}
	return r.archive(), nil
}
