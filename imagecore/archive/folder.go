package archive

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/tarscan"
)

// OpenFS reads an OCI image layout that is a folder (or a `docker save` archive
// that was unpacked into one). fsys should not lead out of the folder, as
// os.DirFS does through symbolic links: os.OpenRoot(dir).FS() does not.
//
// The archive's size is that of the files that were read.
func OpenFS(fsys fs.FS, o Options) (*Archive, error) {
	r := newReader(o)
	folder := &folderFiles{fsys: fsys, window: r.window(), kept: map[string]fs.File{}}
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
			"not yet: folders that are not an OCI image layout (no index.json)", "format", "folder")
	}
	if err := r.read(r.source.Format); err != nil {
		folder.close()
		return nil, err
	}
	for _, b := range r.docs {
		r.source.Size += int64(len(b))
	}
	for _, b := range r.blobs {
		r.source.Size += b.file.size
	}
	return r.archive(), nil
}

// folderFiles are those of a folder.
type folderFiles struct {
	fsys   fs.FS
	window int
	mu     sync.Mutex
	kept   map[string]fs.File // open for reading at random
}

func (t *folderFiles) lookup(name string) (file, bool, error) {
	clean, ok := tarscan.Clean(name)
	if !ok || clean == "" {
		return file{}, false, nil
	}
	info, err := fs.Stat(t.fsys, clean)
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, false, nil
	}
	if err != nil {
		return file{}, false, err
	}
	if !info.Mode().IsRegular() {
		return file{}, false, nil
	}
	return file{path: clean, size: info.Size()}, true, nil
}

func (t *folderFiles) open(f file) (io.ReadCloser, error) {
	h, err := t.fsys.Open(f.path)
	if err != nil {
		return nil, err
	}
	return limited{bufio.NewReaderSize(io.LimitReader(h, f.size), t.window), h}, nil
}

func (t *folderFiles) at(f file) (io.ReaderAt, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.kept[f.path]
	if !ok {
		var err error
		if h, err = t.fsys.Open(f.path); err != nil {
			return nil, false, err
		}
		t.kept[f.path] = h
	}
	at, ok := h.(io.ReaderAt)
	if !ok {
		return nil, false, nil
	}
	return io.NewSectionReader(at, 0, f.size), true, nil
}

func (t *folderFiles) each(all []file, read func(io.Reader) error) error {
	return eachOpened(t, all, read)
}

func (t *folderFiles) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	for name, h := range t.kept {
		err = errors.Join(err, h.Close())
		delete(t.kept, name)
	}
	return err
}
