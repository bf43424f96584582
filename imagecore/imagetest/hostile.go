package imagetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Hostile is an archive that lies or attacks.
type Hostile struct {
	Name  string
	Bytes []byte
	// Kind is what reading it must report: ErrInvalid or ErrTooLarge; nil
	// where reading is fine, with a warning, and writing it out is refused.
	Kind error
	// Late says that only verifying the digests can tell.
	Late bool
}

// HostileArchives returns archives that no reader may trust: each is small, and
// must be answered in bounded time and memory.
func HostileArchives() []Hostile {
	one := func(text string) []byte { return One(DockerSave, MustParse(text)).Bytes() }
	good := one("-- layer --\nd etc\nf etc/passwd \"root\"\n-- layer --\nf etc/group\n")
	edited := func(edit func([]byte) []byte) []byte {
		a := One(DockerSave, MustParse("-- layer --\nf a\n"))
		a.Images[0].Edit = edit
		return a.Bytes()
	}
	wrong := strings.Repeat("0", 64)
	return []Hostile{
		{Name: "escaping-name", Bytes: one("-- layer --\nf ../../etc/cron.d/x\nf ok\n")},
		{Name: "escaping-hardlink", Bytes: one("-- layer --\nh x -> ../../etc/shadow\nf ok\n")},
		{Name: "escaping-whiteout", Bytes: one("-- layer --\nf a/.wh... \"\"\nf ok\n")},
		{Name: "link-to-outside", Bytes: one("-- layer --\ns etc -> /\nf etc/x\ns up -> ../../..\nf up/y\n")},
		{Name: "link-loop", Bytes: one("-- layer --\ns a -> b\ns b -> a\nf a/x\n")},
		{Name: "hardlink-cycle", Bytes: one("-- layer --\nh a -> b\nh b -> a\n")},
		{Name: "truncated-layer", Bytes: good[:len(good)-len(good)/2], Kind: imagecore.ErrInvalid},
		{Name: "truncated-header", Bytes: good[:300], Kind: imagecore.ErrInvalid},
		{Name: "wrong-diffid", Kind: imagecore.ErrInvalid, Late: true, Bytes: edited(func(c []byte) []byte {
			i := bytes.Index(c, []byte(`"diff_ids":["sha256:`)) + len(`"diff_ids":["sha256:`)
			copy(c[i:], wrong)
			return c
		})},
		{Name: "config-no-json", Kind: imagecore.ErrInvalid, Bytes: edited(func([]byte) []byte { return []byte(`{"rootfs":`) })},
		{Name: "layer-missing", Kind: imagecore.ErrInvalid, Bytes: writeFiles([]file{
			{name: "c.json", data: Image{}.config([][]byte{Layer{}.Tar()})},
			{name: "manifest.json", data: []byte(`[{"Config":"c.json","RepoTags":["x:y"],"Layers":["gone/layer.tar"]}]`)},
		})},
		{Name: "config-escapes", Kind: imagecore.ErrInvalid, Bytes: writeFiles([]file{
			{name: "manifest.json", data: []byte(`[{"Config":"../../etc/passwd","RepoTags":[],"Layers":[]}]`)},
		})},
		{Name: "size-lies", Bytes: sizeLies(), Kind: imagecore.ErrInvalid},
		{Name: "deep-names", Bytes: one("-- layer --\nf " + strings.Repeat("d/", 600) + "x\n"), Kind: imagecore.ErrTooLarge},
	}
}

// sizeLies is a tar whose only record claims more content than follows.
func sizeLies() []byte {
	b := Layer{{Type: 'f', Name: "manifest.json", Content: "[]"}}.Tar()
	copy(b[124:136], fmt.Sprintf("%011o\x00", int64(1)<<32))
	sum := 0
	copy(b[148:156], "        ")
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// GzipBomb is a root file system within gzip, 4 MB that unpack to 4 GiB of
// zeros: more than a thousandfold. Reading it must end with ErrTooLarge. It is
// not among HostileArchives, since coming to that takes a second.
func GzipBomb() []byte {
	const piece, pieces = 16 << 20, 256
	var head bytes.Buffer
	tw := tar.NewWriter(&head)
	_ = tw.WriteHeader(&tar.Header{Name: "etc/zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: piece * pieces})
	bomb := Gzip(head.Bytes())
	zeros := Gzip(make([]byte, piece)) // gzip members may follow one another (RFC 1952, 2.2)
	for range pieces {
		bomb = append(bomb, zeros...)
	}
	return bomb
}
