package elf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// tiny is a 64-bit file for a machine, as small as a loader would take it.
type tiny struct {
	machine           uint16
	interp            string
	needed            []string
	rpath, runpath    string
	now, stack, relro bool
	names             string // further names of symbols
}

func (t tiny) bytes() []byte {
	strs := "\x00"
	at := func(s string) uint64 {
		n := uint64(len(strs))
		strs += s + "\x00"
		return n
	}
	var dyn []uint64
	for _, n := range t.needed {
		dyn = append(dyn, 1, at(n))
	}
	if t.rpath != "" {
		dyn = append(dyn, 15, at(t.rpath))
	}
	if t.runpath != "" {
		dyn = append(dyn, 29, at(t.runpath))
	}
	if t.now {
		dyn = append(dyn, 0x6ffffffb, 1)
	}
	if t.names != "" {
		at(t.names)
	}
	const programs, base = 6, 0x1000
	head := 64 + programs*56
	dynAt := head
	strAt := dynAt + (len(dyn)+6)*8
	interpAt := strAt + len(strs)
	dyn = append(dyn, 5, uint64(base+strAt), 10, uint64(len(strs)), 0, 0)
	end := interpAt + len(t.interp) + 1

	var b bytes.Buffer
	put := func(v ...any) {
		for _, x := range v {
			_ = binary.Write(&b, binary.LittleEndian, x) // into memory
		}
	}
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	put(uint16(3), t.machine, uint32(1), uint64(0), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(programs), uint16(0), uint16(0), uint16(0))
	program := func(kind, flags uint32, at, size int) {
		put(kind, flags, uint64(at), uint64(base+at), uint64(base+at), uint64(size), uint64(size), uint64(8))
	}
	skip := func(yes bool, kind uint32) uint32 {
		if yes {
			return kind
		}
		return 0
	}
	program(1, 4, 0, end)
	program(2, 6, dynAt, len(dyn)*8)
	program(skip(t.interp != "", 3), 4, interpAt, len(t.interp)+1)
	program(skip(t.stack, 0x6474e551), 6, 0, 0)
	program(skip(t.relro, 0x6474e552), 4, 0, 0)
	program(0, 0, 0, 0)
	put(dyn)
	b.WriteString(strs + t.interp + "\x00")
	return b.Bytes()
}

const amd64, arm64 = 62, 183

// look puts files into an image, a layer each, and looks at the last.
func look(t *testing.T, path string, layers ...string) *elf.Binary {
	t.Helper()
	parsed, tars := imagetest.MustParse("-- layer --\n" + strings.Join(layers, "\n-- layer --\n") + "\n").Layers()
	merged, err := tree.Build(parsed, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	b, err := elf.Look(merged, len(parsed)-1, path, func(layer int) (io.ReaderAt, error) { return bytes.NewReader(tars[layer]), nil })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func file(path string, of tiny) string { return fmt.Sprintf("f %s %q", path, of.bytes()) }

func found(b *elf.Binary) string {
	var out []string
	for _, l := range b.Needed {
		out = append(out, fmt.Sprintf("%s=%s(%s)", l.Name, l.Path, l.By))
	}
	return strings.Join(out, " ")
}

func TestLibrariesAreFoundAsTheLoaderFindsThem(t *testing.T) {
	lib := tiny{machine: amd64}
	glibc := "/lib64/ld-linux-x86-64.so.2"
	for _, c := range []struct {
		name   string
		app    tiny
		layers []string
		want   string
	}{
		{
			"the usual folders, by a link, from another layer",
			tiny{interp: glibc, needed: []string{"libc.so.6", "libm.so"}},
			[]string{"s lib -> usr/lib\n" + file("usr/lib/libc-2.36.so", lib), "s usr/lib/libc.so.6 -> libc-2.36.so"},
			"libc.so.6=usr/lib/libc-2.36.so(default) libm.so=()",
		},
		{
			"the configuration, with include, before the usual folders",
			tiny{interp: glibc, needed: []string{"liba.so", "libb.so"}},
			[]string{
				"f etc/ld.so.conf \"# first\\ninclude /etc/ld.so.conf.d/*.conf # folders\\n/opt/b\\n\"\nf etc/ld.so.conf.d/x.conf \"/opt/a\\n\"\nf etc/ld.so.conf.d/y.txt \"/opt/never\\n\"\n" +
					file("opt/a/liba.so", lib) + "\n" + file("opt/b/libb.so", lib) + "\n" + file("usr/lib/liba.so", lib) + "\n" + file("opt/never/libb.so", lib),
			},
			"liba.so=opt/a/liba.so(conf) libb.so=opt/b/libb.so(conf)",
		},
		{
			"RUNPATH with $ORIGIN, which puts RPATH out of force",
			tiny{interp: glibc, needed: []string{"liba.so", "libb.so"}, rpath: "/old", runpath: "$ORIGIN/../lib:${ORIGIN}"},
			[]string{file("opt/lib/liba.so", lib) + "\n" + file("old/liba.so", lib) + "\n" + file("old/libb.so", lib)},
			"liba.so=opt/lib/liba.so(runpath) libb.so=()",
		},
		{
			"RPATH alone",
			tiny{interp: glibc, needed: []string{"liba.so"}, rpath: "/old"},
			[]string{file("old/liba.so", lib) + "\n" + file("usr/lib/liba.so", lib)},
			"liba.so=old/liba.so(rpath)",
		},
		{
			"another machine's is passed over",
			tiny{interp: glibc, needed: []string{"liba.so"}, runpath: "/arm:/text:/amd"},
			[]string{file("arm/liba.so", tiny{machine: arm64}) + "\nf text/liba.so \"GROUP ( liba.so.1 )\"\n" + file("amd/liba.so", lib)},
			"liba.so=amd/liba.so(runpath)",
		},
		{
			"musl looks in folders of its own",
			tiny{interp: "/lib/ld-musl-x86_64.so.1", needed: []string{"liba.so"}},
			[]string{"f etc/ld.so.conf \"/opt\\n\"\n" + file("opt/liba.so", lib) + "\n" + file("usr/local/lib/liba.so", lib)},
			"liba.so=usr/local/lib/liba.so(default)",
		},
		{
			"musl's list",
			tiny{interp: "/lib/ld-musl-x86_64.so.1", needed: []string{"liba.so"}},
			[]string{"f etc/ld-musl-x86_64.path \"/none\\n/opt\\n\"\n" + file("opt/liba.so", lib) + "\n" + file("usr/lib/liba.so", lib)},
			"liba.so=opt/liba.so(conf)",
		},
		{
			"a name with a slash is a path",
			tiny{interp: glibc, needed: []string{"/opt/x.so"}},
			[]string{file("opt/x.so", lib) + "\n" + file("usr/lib/x.so", lib)},
			"/opt/x.so=opt/x.so(path)",
		},
		{
			"what a whiteout hides is missing",
			tiny{interp: glibc, needed: []string{"liba.so"}},
			[]string{file("usr/lib/liba.so", lib), "f usr/lib/.wh.liba.so \"\""},
			"liba.so=()",
		},
		{
			"links and includes that go round end",
			tiny{interp: glibc, needed: []string{"liba.so"}},
			[]string{"s usr/lib/liba.so -> liba.so\nf etc/ld.so.conf \"include /etc/*.conf\\n\""},
			"liba.so=()",
		},
	} {
		c.app.machine = amd64
		b := look(t, "opt/bin/app", append(c.layers, file("opt/bin/app", c.app))...)
		if got := found(b); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestAProgramAndItsHardening(t *testing.T) {
	b := look(t, "app", file("lib64/ld.so", tiny{machine: amd64}), file("app", tiny{
		machine: amd64, interp: "/lib64/ld.so", needed: []string{"libc.so"}, now: true, stack: true, relro: true, names: "__stack_chk_fail",
	}))
	if b.Type != "pie" || b.Linked != "dynamic" || b.Interpreter == nil || b.Interpreter.Path != "lib64/ld.so" || b.Machine != "x86_64" || b.Bits != 64 ||
		b.Hardening != (elf.Hardening{RELRO: "full", NX: true, PIE: true, Canary: "yes"}) {
		t.Errorf("%+v", b)
	}
	b = look(t, "lib.so", file("lib.so", tiny{machine: arm64, relro: true}))
	if b.Type != "shared" || b.Interpreter != nil || b.Machine != "aarch64" || b.Hardening != (elf.Hardening{RELRO: "partial", Canary: "no"}) {
		t.Errorf("%+v", b)
	}
}

func TestWhatCannotBeLookedAt(t *testing.T) {
	parsed, tars := imagetest.MustParse("-- layer --\nf a \"text text text text\"\nd b\n").Layers()
	merged, err := tree.Build(parsed, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a": "not-elf", "b": "path-not-found", "c": "path-not-found"} {
		_, err := elf.Look(merged, 0, path, func(layer int) (io.ReaderAt, error) { return bytes.NewReader(tars[layer]), nil })
		if code(err) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}
