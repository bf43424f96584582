package outer

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/layerlab/layerlab/imagecore/tarscan"
)

// Folder are the files of a folder.
type Folder struct {
	fsys   fs.FS
	window int
	mu     sync.Mutex
	kept   map[string]fs.File // open for reading at random
}

// NewFolder returns those of fsys; window is how many bytes to read at once.
func NewFolder(fsys fs.FS, window int) *Folder {
	return &Folder{fsys: fsys, window: window, kept: map[string]fs.File{}}
}

// Lookup implements Files.
func (t *Folder) Lookup(name string) (File, bool, error) {
	clean, ok := tarscan.Clean(name)
	if !ok || clean == "" {
		return File{}, false, nil
	}
	info, err := fs.Stat(t.fsys, clean)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, false, nil
	}
	if err != nil {
		return File{}, false, err
	}
	if !info.Mode().IsRegular() {
		return File{}, false, nil
	}
	return File{Path: clean, Size: info.Size()}, true, nil
}

// Open implements Files.
func (t *Folder) Open(f File, from int64) (io.ReadCloser, error) {
	from = min(max(from, 0), f.Size)
	h, err := t.fsys.Open(f.Path)
	if err != nil {
		return nil, err
	}
	if s, ok := h.(io.Seeker); ok {
		_, err = s.Seek(from, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, h, from)
	}
	if err != nil {
		h.Close()
		return nil, err
	}
	return limited{bufio.NewReaderSize(io.LimitReader(h, f.Size-from), t.window), h}, nil
}

// Begin implements Files.
func (t *Folder) Begin(_ File, off int64) int64 { return off }

// At implements Files; the file stays open until Close.
func (t *Folder) At(f File) (io.ReaderAt, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.kept[f.Path]
	if !ok {
		var err error
		if h, err = t.fsys.Open(f.Path); err != nil {
			return nil, false, err
		}
		t.kept[f.Path] = h
	}
	at, ok := h.(io.ReaderAt)
	if !ok {
		return nil, false, nil
	}
	return io.NewSectionReader(at, 0, f.Size), true, nil
}

// Each implements Files.
func (t *Folder) Each(all []File, read func(io.Reader) error) error {
	return eachOpened(t, all, read)
}

// Close closes what At opened.
func (t *Folder) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	for name, h := range t.kept {
		err = errors.Join(err, h.Close())
		delete(t.kept, name)
	}
	return err
}
