package outer

import "io"

// Whole is a file that is itself the only layer: every File stands for it.
type Whole struct{ Source *io.SectionReader }

// Lookup implements Files.
func (w Whole) Lookup(string) (File, bool, error) { return File{}, false, nil }

// Open implements Files.
func (w Whole) Open(_ File, from int64) (io.ReadCloser, error) {
	from = min(max(from, 0), w.Source.Size())
	return io.NopCloser(io.NewSectionReader(w.Source, from, w.Source.Size()-from)), nil
}

// Begin implements Files.
func (w Whole) Begin(_ File, off int64) int64 { return off }

// At implements Files.
func (w Whole) At(File) (io.ReaderAt, bool, error) { return w.Source, true, nil }

// Each implements Files.
func (w Whole) Each(all []File, read func(io.Reader) error) error {
	return eachOpened(w, all, read)
}

// Close implements Files.
func (w Whole) Close() error { return nil }
