package archive

import (
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/tarscan"
)

// Options say how to read. The zero value reads natively within
// imagecore.DefaultLimits.
type Options struct {
	Limits imagecore.Limits
	Access tarscan.Access // what reading costs; zero is native, see tarscan.Browser

	// Tick is asked often, between pieces of at most some megabytes; an error
	// that it returns ends the work and is returned as it is.
	Tick func() error

	// Counted, if set, is told for how many entries there is room, each time that
	// it grows: what they may take of memory grows with them.
	Counted func(entries int)

	// Progress is told how many bytes of the archive, as stored, are done.
	// What is skipped counts as done.
	Progress func(done, total int64)

	// Spool, if set, gives LayerAt a place for a layer that is read at random so
	// much that unpacking it once is cheaper, such as a temporary file.
	Spool func() (Spool, error)
}

// Spool is a place that is written once, from the start, and then read at
// random. The Archive closes it.
type Spool interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// Archive is an archive that was read. Its methods may be called concurrently.
type Archive struct {
	o        Options
	files    outer.Files
	report   imagecore.Report
	warnings []imagecore.Warning // of the archive as a whole
	images   []*image

	mu       sync.Mutex
	unpacked map[*blob]*unpacked
	replays  []*unpacked     // those being unpacked, the last asked last
	sums     map[sumKey]sums // of blobs that were hashed
}

// image is what the Archive knows beyond the report.
type image struct {
	imagecore.Image
	warnings []imagecore.Warning
	blobs    []*blob            // one a layer
	broken   []*imagecore.Error // what is not as the archive claims, found while opening
}

// Open reads the archive that src holds in its first size bytes: the headers
// of the archive and of all layers, and the small documents. It verifies no
// digest.
//
// Errors are *imagecore.Error with the place where the archive is malformed
// (ErrInvalid), crosses a limit (ErrTooLarge) or is of a form that is not read
// (ErrUnsupported); what Tick returned; or the error of src.
func Open(src io.ReaderAt, size int64, o Options) (*Archive, error) {
	r := newReader(o)
	if l := r.o.Limits.Archive; size > l {
		return nil, tooLarge("archive-too-large", "the archive is larger than the limit", size, l)
	}
	r.total = size
	head := make([]byte, codec.HeadSize)
	n, err := src.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n == 0 {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "not-an-archive", "the file is empty")
	}
	t := &outer.Tar{Source: io.NewSectionReader(src, 0, size), Limits: r.o.Limits, Compression: codec.Detect(head[:n]), Window: r.window()}
	r.files = t
	r.source = imagecore.Source{Compression: t.Compression, Size: size}
	if t.Compression == codec.None {
		err = r.scanOuter(t)
	} else {
		err = r.streamOuter(t)
	}
	if err != nil {
		return nil, notArchive(err)
	}
	if err := r.images(t); err != nil {
		return nil, err
	}
	return r.archive(), nil
}

// notArchive says it plainly when not even the first header is one.
func notArchive(err error) error {
	var ie *imagecore.Error
	if errors.As(err, &ie) && ie.Code == "bad-header" && ie.Offset == 0 {
		e := imagecore.NewError(imagecore.ErrInvalid, "not-an-archive", "neither an image nor a root file system: the file is not a tar")
		e.Err = ie
		return e
	}
	return err
}

// images finds out what the outer tar is and reads its images.
func (r *reader) images(t *outer.Tar) error {
	format := formatOf(t)
	r.source.Format = format
	if format == formatRootfs || format == formatExport {
		for i := range t.Entries {
			if isPiece(t.Entries[i].Path) {
				return cutShort(t.Entries[i].Path)
			}
		}
		if !t.EndMarked {
			r.warn("no-end-mark", "nothing marks the end of the tar: it may be cut short")
		}
		return r.rootfs(t)
	}
	t.Link()
	if _, named, _ := t.Lookup("repositories"); format == formatV1 && !named && !t.EndMarked {
		return cutShort(t.Entries[0].Path)
	}
	for _, name := range t.Duplicates {
		r.warn("duplicate-entry", "the archive holds this file twice; the last one counts", "name", name)
	}
	return r.read(format)
}

// cutShort is an archive that has pieces of images and no manifest.
func cutShort(piece string) error {
	return imagecore.NewError(imagecore.ErrInvalid, "no-manifest",
		"the archive has pieces of an image, such as "+strconv.Quote(piece)+", but neither manifest.json nor index.json: it is cut short",
		"path", piece)
}

// read reads the images of the given format from r.files.
func (r *reader) read(format string) (err error) {
	switch format {
	case formatV1:
		err = r.dockerV1()
	case formatSave:
		err = r.dockerSave()
	case formatHybrid:
		err = r.hybrid()
	case formatOCI:
		err = r.oci()
	}
	if err != nil {
		return err
	}
	return r.scanLayers()
}

// archive hands over what was read.
func (r *reader) archive() *Archive {
	a := &Archive{o: r.o, files: r.files, images: r.found, warnings: r.warnings, unpacked: map[*blob]*unpacked{}}
	a.report = imagecore.Report{Source: r.source, Images: make([]imagecore.Image, len(a.images)), Warnings: []imagecore.Warning{}}
	a.report.Warnings = append(a.report.Warnings, a.warnings...)
	for i, img := range a.images {
		a.report.Images[i] = img.Image
		a.report.Warnings = append(a.report.Warnings, a.ofImage(i)...)
	}
	r.progress(r.total)
	return a
}

// Report returns what the archive holds. Layers that images share have the
// same Entries. The caller must not change it.
func (a *Archive) Report() *imagecore.Report { return &a.report }

// Warnings returns those of the archive as a whole and those of one image.
func (a *Archive) Warnings(image int) []imagecore.Warning {
	all := append([]imagecore.Warning{}, a.warnings...)
	return append(all, a.ofImage(image)...)
}

// ofImage returns the warnings of one image; where there are several, each
// names its image.
func (a *Archive) ofImage(image int) []imagecore.Warning {
	img := a.images[image]
	if len(a.images) == 1 {
		return img.warnings
	}
	named := make([]imagecore.Warning, len(img.warnings))
	for i, w := range img.warnings {
		named[i] = w
		named[i].Args = imagecore.Args("image", img.ID.String())
		for k, v := range w.Args {
			named[i].Args[k] = v
		}
	}
	return named
}

// Close closes what LayerAt opened. The source is the caller's.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	for b, u := range a.unpacked {
		err = errors.Join(err, u.Close())
		delete(a.unpacked, b)
	}
	return errors.Join(err, a.files.Close())
}

// at returns the layer's blob, or why there is none.
func (a *Archive) at(image, layer int) (*blob, error) {
	if image < 0 || image >= len(a.images) {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "no-such-image", "the archive has no image "+strconv.Itoa(image), "image", strconv.Itoa(image))
	}
	blobs := a.images[image].blobs
	if layer < 0 || layer >= len(blobs) {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "no-such-layer", "the image has no layer "+strconv.Itoa(layer), "layer", strconv.Itoa(layer))
	}
	if blobs[layer] == nil {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "absent-layer", "the archive names the layer but does not hold it",
			"digest", a.images[image].Layers[layer].Digest.String()).In(layer)
	}
	return blobs[layer], nil
}
