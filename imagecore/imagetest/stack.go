package imagetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/opencontainers/go-digest"
	"golang.org/x/tools/txtar"
)

// Stack is the layers of an image, base first.
type Stack []Layer

// Layer is the records of a layer, in the order of the tar.
type Layer []Record

// Record is one record of a tar.
type Record struct {
	Type    byte // 'd', 'f', 's', 'h', 'c', 'b' or 'p'
	Name    string
	Link    string // of 's' and 'h'
	Content string
	Mode    uint32
	UID     uint32
	GID     uint32
	ModTime int64 // seconds
	Major   uint32
	Minor   uint32
	Xattrs  map[string]string
}

// Time is the modification time of records that state none.
const Time = 1000000000

// Parse reads the notation of the package comment from a txtar archive; its
// files named "layer" are the layers.
func Parse(text string) (Stack, error) {
	var s Stack
	for _, f := range txtar.Parse([]byte(text)).Files {
		if f.Name != "layer" {
			continue
		}
		l, err := parseLayer(string(f.Data))
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", len(s), err)
		}
		s = append(s, l)
	}
	return s, nil
}

// MustParse is Parse for texts that stand in a test.
func MustParse(text string) Stack {
	s, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

func parseLayer(text string) (Layer, error) {
	l := Layer{}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		r, err := parseRecord(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		l = append(l, r)
	}
	return l, nil
}

func parseRecord(line string) (Record, error) {
	words, err := fields(line)
	if err != nil || len(words) < 2 || len(words[0]) != 1 || !strings.Contains("dfshcbp", words[0]) {
		return Record{}, fmt.Errorf("%q: want LETTER NAME [-> TARGET] [\"CONTENT\"] [KEY=VALUE …] (%v)", line, err)
	}
	r := Record{Type: words[0][0], Name: words[1], Content: words[1], Mode: 0o644, ModTime: Time}
	switch r.Type {
	case 'd':
		r.Mode = 0o755
	case 's':
		r.Mode = 0o777
	}
	if r.Type != 'f' {
		r.Content = ""
	}
	for i := 2; i < len(words); i++ {
		w := words[i]
		key, value, isKey := strings.Cut(w, "=")
		switch {
		case w == "->" && i+1 < len(words):
			i++
			r.Link = words[i]
		case strings.HasPrefix(w, "\x00"): // was quoted
			r.Content = w[1:]
		case isKey && strings.HasPrefix(key, "xattr."):
			if r.Xattrs == nil {
				r.Xattrs = map[string]string{}
			}
			r.Xattrs[key[len("xattr."):]] = value
		case isKey:
			if err := r.set(key, value); err != nil {
				return r, err
			}
		default:
			return r, fmt.Errorf("%q: what is %q?", line, w)
		}
	}
	return r, nil
}

func (r *Record) set(key, value string) error {
	base := 10
	if key == "mode" {
		base = 8
	}
	if key == "dev" {
		_, err := fmt.Sscanf(value, "%d:%d", &r.Major, &r.Minor)
		return err
	}
	n, err := strconv.ParseInt(value, base, 64)
	switch key {
	case "mode":
		r.Mode = uint32(n)
	case "uid":
		r.UID = uint32(n)
	case "gid":
		r.GID = uint32(n)
	case "mtime":
		r.ModTime = n
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return err
}

// fields splits a line at blanks. A quoted word after the name begins with a
// zero byte, so that it can be told from the others.
func fields(line string) ([]string, error) {
	var words []string
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		end := strings.IndexAny(line, " \t\"")
		if end < 0 {
			end = len(line)
		}
		if end < len(line) && line[end] == '"' {
			quoted, err := strconv.QuotedPrefix(line[end:])
			if err != nil {
				return nil, err
			}
			s, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			word := line[:end] + s
			if end == 0 && len(words) >= 2 && words[len(words)-1] != "->" {
				word = "\x00" + s
			}
			words, line = append(words, word), line[end+len(quoted):]
			continue
		}
		words, line = append(words, line[:end]), line[end:]
	}
	return words, nil
}

// String writes the stack in the notation, so that a test that fails on a
// random one can show it.
func (s Stack) String() string {
	var b strings.Builder
	for _, l := range s {
		b.WriteString("-- layer --\n")
		for _, r := range l {
			fmt.Fprintf(&b, "%c %q", r.Type, r.Name)
			if r.Type == 's' || r.Type == 'h' {
				fmt.Fprintf(&b, " -> %q", r.Link)
			}
			if r.Type == 'f' {
				fmt.Fprintf(&b, " %q", r.Content)
			}
			fmt.Fprintf(&b, " mode=%o uid=%d gid=%d mtime=%d", r.Mode, r.UID, r.GID, r.ModTime)
			if r.Type == 'c' || r.Type == 'b' {
				fmt.Fprintf(&b, " dev=%d:%d", r.Major, r.Minor)
			}
			for _, k := range sortedKeys(r.Xattrs) {
				fmt.Fprintf(&b, " xattr.%s=%q", k, r.Xattrs[k])
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Tar returns the layer's tar, PAX only where needed.
func (l Layer) Tar() []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, r := range l {
		h := &tar.Header{
			Name: r.Name, Linkname: r.Link, Mode: int64(r.Mode), Uid: int(r.UID), Gid: int(r.GID),
			ModTime: time.Unix(r.ModTime, 0), Devmajor: int64(r.Major), Devminor: int64(r.Minor),
		}
		h.Typeflag = map[byte]byte{'d': tar.TypeDir, 'f': tar.TypeReg, 's': tar.TypeSymlink, 'h': tar.TypeLink, 'c': tar.TypeChar, 'b': tar.TypeBlock, 'p': tar.TypeFifo}[r.Type]
		for k, v := range r.Xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+k] = v
		}
		h.Size = int64(len(r.Content))
		if err := tw.WriteHeader(h); err != nil {
			panic(fmt.Sprintf("imagetest: %q: %v", r.Name, err))
		}
		_, _ = io.WriteString(tw, r.Content)
	}
	_ = tw.Close()
	return b.Bytes()
}

// Layers returns the stack as a reader of an archive would give it: tars
// scanned, with all offsets, and the tars themselves.
func (s Stack) Layers() ([]imagecore.Layer, [][]byte) {
	layers, tars := make([]imagecore.Layer, len(s)), make([][]byte, len(s))
	for i, l := range s {
		b := l.Tar()
		entries, err := Scan(b)
		if err != nil {
			panic(fmt.Sprintf("imagetest: layer %d: %v", i, err))
		}
		tars[i] = b
		layers[i] = imagecore.Layer{
			Index: i, Present: true, Entries: entries, EntryCount: len(entries), CreatedBy: fmt.Sprintf("layer %d", i),
			Size: int64(len(b)), TarSize: int64(len(b)), DiffID: digest.FromBytes(b), Digest: digest.FromBytes(b),
			MediaType: "application/vnd.oci.image.layer.v1.tar",
		}
	}
	return layers, tars
}

// Scan returns the entries of a layer's tar.
func Scan(b []byte) ([]imagecore.Entry, error) {
	sc := tarscan.NewReaderAt(bytes.NewReader(b), int64(len(b)), tarscan.Options{Limits: imagecore.DefaultLimits(), Whiteouts: true})
	var entries []imagecore.Entry
	for {
		var e imagecore.Entry
		if err := sc.Next(&e); err == io.EOF {
			return entries, nil
		} else if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
}

// Opener gives random access to tars, as tree.Content and package pack want it.
func Opener(tars [][]byte) func(layer int) (io.ReaderAt, error) {
	return func(layer int) (io.ReaderAt, error) { return bytes.NewReader(tars[layer]), nil }
}
