package outer

import "io"

// Whole is a file that is itself the only layer: every File stands for it.
type Whole struct{ Source *io.SectionReader }

// Lookup implements Files.
func (w Whole) Lookup(string) (File, bool, error) { return File{}, false, nil }

// Open implements Files.
func (w Whole) Open(File) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(w.Source, 0, w.Source.Size())), nil
}

// At implements Files.
func (w Whole) At(File) (io.ReaderAt, bool, error) { return w.Source, true, nil }

// Each implements Files.
func (w Whole) Each(all []File, read func(io.Reader) error) error {
	return eachOpened(w, all, read)
}

// Close implements Files.
func (w Whole) Close() error { return nil }
