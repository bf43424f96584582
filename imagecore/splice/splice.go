// Package splice reads runs of several files as if they were one.
package splice

import (
	"io"
	"sort"
)

// Run is a run of bytes of a file.
type Run struct {
	From io.ReaderAt
	At   int64 // where it begins there, in bytes
	Size int64 // bytes
}

// Reader is runs one behind the other. It is safe for concurrent use where the
// files are.
type Reader struct {
	runs []Run
	ends []int64 // of the runs, in the whole
}

// New joins runs. They are the Reader's from now on.
func New(runs []Run) *Reader {
	r := &Reader{runs: runs}
	end := int64(0)
	for _, run := range runs {
		end += run.Size
		r.ends = append(r.ends, end)
	}
	return r
}

// Size is the number of bytes in all runs.
func (r *Reader) Size() int64 {
	if len(r.ends) == 0 {
		return 0
	}
	return r.ends[len(r.ends)-1]
}

// Runs are those that were given to New.
func (r *Reader) Runs() []Run { return r.runs }

// ReadAt reads as io.ReaderAt says. A file that ends within its run is an
// io.ErrUnexpectedEOF.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	i := sort.Search(len(r.ends), func(i int) bool { return off < r.ends[i] })
	for ; n < len(p) && i < len(r.runs); i++ {
		run := r.runs[i]
		within := off + int64(n) - (r.ends[i] - run.Size)
		part := p[n:min(int64(len(p)), int64(n)+run.Size-within)]
		got, err := run.From.ReadAt(part, run.At+within)
		n += got
		if got < len(part) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
