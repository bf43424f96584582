package archive

import (
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// rootFacts is what a pass over a root file system found out.
type rootFacts struct {
	tarSize int64
	diffID  digest.Digest // empty until hashed
	arch    string        // of the first program, in Go's words; empty until found
	sniffed int
}

// maxSniffed bounds how many programs are looked at to find out for which
// processor they are.
const maxSniffed = 256

// rootfs makes an image of a plain root file system or of what `docker export`
// writes: one layer, which is the whole file, and a config that says no more
// than can be seen. Its digest is the image's id.
func (r *reader) rootfs(t *outer.Tar) error {
	if len(t.Entries) == 0 {
		return imagecore.NewError(imagecore.ErrInvalid, "no-image", "the tar is empty: it holds neither an image nor a file")
	}
	if r.root.diffID == "" {
		if err := r.hashRoot(t); err != nil {
			return err
		}
	}
	if t.Compression == codec.None {
		for i := range t.Entries {
			if r.root.arch != "" || r.root.sniffed > maxSniffed {
				break
			}
			e := &t.Entries[i]
			r.root.sniff(e, func() io.Reader { return io.NewSectionReader(t.Source, e.DataOffset, e.Stored) })
		}
	}
	created := "plain root file system"
	if r.source.Format == formatExport {
		created = "docker export"
	}
	// The field order is image-spec's; a config made of the same file is the
	// same wherever and whenever it is made.
	raw, err := json.Marshal(struct {
		Architecture string         `json:"architecture"`
		OS           string         `json:"os"`
		Config       v1.ImageConfig `json:"config"`
		RootFS       v1.RootFS      `json:"rootfs"`
		History      []v1.History   `json:"history"`
	}{
		Architecture: firstOf(r.root.arch, "unknown"),
		OS:           "linux",
		RootFS:       v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{r.root.diffID}},
		History:      []v1.History{{CreatedBy: created}},
	})
	if err != nil {
		return err
	}
	b := &blob{
		file:        outer.File{Size: t.Source.Size()},
		compression: t.Compression, tarSize: r.root.tarSize,
		restarts: t.Restarts, entries: t.Entries, warnings: t.Warnings, scanned: true,
	}
	mediaType := mediaOCI
	if t.Compression != codec.None {
		mediaType += "+" + t.Compression
	}
	layers := []imagecore.Layer{{MediaType: mediaType}}
	if t.Compression == codec.None {
		layers[0].Digest = r.root.diffID
	}
	img, err := r.newImage("", raw, layers, []*blob{b}, nil)
	if err != nil {
		return err
	}
	if err := r.add(img); err != nil {
		return err
	}
	r.files = outer.Whole{Source: t.Source}
	return r.scanLayers()
}

// hashRoot computes the diffID of a tar that is not compressed: that of all
// bytes, what follows the end of the tar included.
func (r *reader) hashRoot(t *outer.Tar) error {
	hash := digest.SHA256.Digester()
	n := &counted{r: io.NewSectionReader(t.Source, 0, t.Source.Size()), told: r.progress}
	if _, err := copyAhead(hash.Hash(), ticking{n, r.tick}); err != nil {
		return err
	}
	r.root.diffID = hash.Digest()
	return nil
}

// sniff looks at a program's ELF header for the processor that it is for.
func (f *rootFacts) sniff(e *imagecore.Entry, content func() io.Reader) {
	if f.arch != "" || f.sniffed > maxSniffed || e.Kind != imagecore.File || e.Mode&0o111 == 0 || e.Stored < 64 || e.Sparse != nil {
		return
	}
	f.sniffed++
	var h [20]byte
	if _, err := io.ReadFull(content(), h[:]); err != nil || string(h[:4]) != "\x7fELF" {
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if h[5] == 2 {
		order = binary.BigEndian
	}
	switch machine, little := order.Uint16(h[18:]), h[5] == 1; machine { // elf(5) e_machine
	case 3:
		f.arch = "386"
	case 8:
		f.arch = "mips"
		if little {
			f.arch = "mipsle"
		}
	case 21:
		f.arch = "ppc64"
		if little {
			f.arch = "ppc64le"
		}
	case 22:
		f.arch = "s390x"
	case 40:
		f.arch = "arm"
	case 62:
		f.arch = "amd64"
	case 183:
		f.arch = "arm64"
	case 243:
		f.arch = "riscv64"
	case 258:
		f.arch = "loong64"
	}
}
