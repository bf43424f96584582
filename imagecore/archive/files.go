package archive

import (
	"bufio"
	"io"
	"path"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/opencontainers/go-digest"
)

// files is what an archive holds on the outside: named files.
type files interface {
	// lookup finds a file by its cleaned path, through links.
	lookup(path string) (file, bool, error)
	// open reads a file from its start.
	open(f file) (io.ReadCloser, error)
	// at reads a file at random, if that is no dearer than from its start.
	at(f file) (io.ReaderAt, bool, error)
	// each reads files one after the other, which must stand in the order of
	// their offsets, in one pass over what is compressed.
	each(all []file, read func(io.Reader) error) error
	close() error
}

// file is one of them.
type file struct {
	path   string // after links
	offset int64  // in the outer tar, uncompressed
	size   int64  // bytes
}

// tarFiles are those of a tar that may itself be compressed.
type tarFiles struct {
	src         *io.SectionReader
	limits      imagecore.Limits
	compression string
	window      int
	entries     []imagecore.Entry
	warnings    []imagecore.Warning // of the scan; they matter for root file systems only
	endMarked   bool
	byPath      map[string]int // last entry of each path; nil until link
	duplicates  []string
}

// format tells by the names at the top what the archive is. Formats that lie
// within one another are told apart from the newest to the oldest.
func (t *tarFiles) format() string {
	var manifest, index, layout, blobs, repositories, layer, json, dockerenv bool
	for i := range t.entries {
		e := &t.entries[i]
		content := e.Kind != imagecore.Dir
		switch e.Path {
		case "manifest.json":
			manifest = manifest || content
		case "index.json":
			index = index || content
		case "oci-layout":
			layout = layout || content
		case "repositories":
			repositories = repositories || content
		case ".dockerenv":
			dockerenv = true
		default:
			switch dir, base, ok := strings.Cut(e.Path, "/"); {
			case !ok:
			case dir == "blobs":
				blobs = true
			case base == "layer.tar":
				layer = layer || content
			case base == "json":
				json = json || content
			}
		}
	}
	oci := index && (layout || blobs)
	switch {
	case manifest && oci:
		return formatHybrid
	case oci:
		return formatOCI
	case manifest:
		return formatSave
	case layer && json:
		return formatV1
	case repositories && !dockerenv:
		return formatV1
	case dockerenv:
		return formatExport
	}
	return formatRootfs
}

// isPiece reports whether a path is one that archives of images have and root
// file systems do not. Such an archive without its manifest was cut short: the
// manifest comes last in most of them.
func isPiece(p string) bool {
	if p == "oci-layout" || strings.HasPrefix(p, "blobs/sha256/") {
		return true
	}
	id, rest, _ := strings.Cut(p, "/")
	switch rest {
	case "", "json", "layer.tar", "VERSION":
	default:
		return false
	}
	if rest == "" {
		id, _, _ = strings.Cut(id, ".") // ID.json, ID.tar, ID.tar.gz
	}
	return digest.NewDigestFromEncoded(digest.SHA256, id).Validate() == nil
}

// link makes the files findable by path.
func (t *tarFiles) link() {
	t.byPath = make(map[string]int, len(t.entries))
	for i := range t.entries {
		e := &t.entries[i]
		if e.Escapes || e.Kind == imagecore.Dir {
			continue
		}
		if j, ok := t.byPath[e.Path]; ok && t.entries[j].Kind == imagecore.File && len(t.duplicates) < 100 {
			t.duplicates = append(t.duplicates, e.Path)
		}
		t.byPath[e.Path] = i
	}
}

// maxHops is how many links in a row are followed, as in path_resolution(7).
const maxHops = 40

func (t *tarFiles) lookup(name string) (file, bool, error) {
	for range maxHops {
		clean, ok := tarscan.Clean(name)
		if !ok {
			return file{}, false, nil
		}
		i, ok := t.byPath[clean]
		if !ok {
			return file{}, false, nil
		}
		switch e := &t.entries[i]; e.Kind {
		case imagecore.File:
			if e.Sparse != nil {
				return file{}, false, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format",
					"not yet: sparse files that hold layers or documents", "format", "sparse-member").At(e.Name, e.Offset)
			}
			return file{path: e.Path, offset: e.DataOffset, size: e.Size}, true, nil
		case imagecore.Symlink:
			if name = e.Link; !strings.HasPrefix(name, "/") {
				name = path.Dir(clean) + "/" + name
			}
		case imagecore.Hardlink:
			name = e.Link
		default:
			return file{}, false, nil
		}
	}
	return file{}, false, imagecore.NewError(imagecore.ErrInvalid, "link-loop", "links that lead in a circle", "path", name).At(name, -1)
}

func (t *tarFiles) at(f file) (io.ReaderAt, bool, error) {
	if t.compression != codec.None {
		return nil, false, nil
	}
	return io.NewSectionReader(t.src, f.offset, f.size), true, nil
}

func (t *tarFiles) open(f file) (io.ReadCloser, error) {
	if t.compression == codec.None {
		return io.NopCloser(bufio.NewReaderSize(io.NewSectionReader(t.src, f.offset, f.size), t.window)), nil
	}
	tar, err := t.unpack()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, tar, f.offset); err != nil {
		tar.Close()
		return nil, err
	}
	return limited{io.LimitReader(tar, f.size), tar}, nil
}

func (t *tarFiles) each(all []file, read func(io.Reader) error) error {
	if t.compression == codec.None {
		return eachOpened(t, all, read)
	}
	tar, err := t.unpack()
	if err != nil {
		return err
	}
	defer tar.Close()
	at := int64(0)
	for _, f := range all {
		if _, err := io.CopyN(io.Discard, tar, f.offset-at); err != nil {
			return err
		}
		part := &counted{r: io.LimitReader(tar, f.size)}
		if err := read(part); err != nil {
			return err
		}
		at = f.offset + part.n
	}
	return nil
}

// eachOpened reads files by opening each.
func eachOpened(t files, all []file, read func(io.Reader) error) error {
	for _, f := range all {
		in, err := t.open(f)
		if err != nil {
			return err
		}
		err = read(in)
		in.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// unpack reads the outer tar from its start.
func (t *tarFiles) unpack() (io.ReadCloser, error) {
	l := t.limits
	l.Layer = l.Archive
	stored := bufio.NewReaderSize(io.NewSectionReader(t.src, 0, t.src.Size()), t.window)
	tar, _, err := codec.NewReader(stored, l)
	return tar, err
}

func (t *tarFiles) close() error { return nil }

// limited reads a part and closes the whole.
type limited struct {
	io.Reader
	io.Closer
}
