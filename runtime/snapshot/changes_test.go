//go:build linux

package snapshot

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/userns"
)

// lab is a stack that is mounted, and a shell to work in it as the container's
// root.
type lab struct {
	stack stack
	tree  *tree.Tree
	upper string
	root  string
}

func newLab(t testing.TB, s stack) *lab {
	t.Helper()
	needRoot(t)
	tr := s.build(t)
	dir := t.TempDir()
	up := t.TempDir()
	root, err := Mount(MountOptions{Layers: s.unpack(t, dir, tr), Upper: up + "/upper", Work: up + "/work", IDs: testIDs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	at := attachRoot(t, root)
	for p := filepath.Dir(at); p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o711); err != nil { // the container's root has to get there
			t.Fatal(err)
		}
	}
	return &lab{stack: s, tree: tr, upper: up + "/upper", root: at}
}

// sh runs a shell script at the root, as root of the container's user
// namespace.
func (l *lab) sh(t testing.TB, script string) {
	t.Helper()
	ids := testIDs()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = l.root
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: userns.SysMap(ids.UIDs), GidMappings: userns.SysMap(ids.GIDs),
		GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}

func (l *lab) changes(t testing.TB, limit int) *Listing {
	t.Helper()
	got, err := Changes(context.Background(), l.upper, l.tree.Top(), testIDs(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (l *lab) text(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, c := range l.changes(t, 1000).Changes {
		fmt.Fprintf(&b, "%c %s %s", c.Kind, c.Path, c.Type)
		if c.Type == imagecore.File && c.Kind != Deleted {
			fmt.Fprintf(&b, " %d", c.Size)
		}
		if c.CopiedUp > 0 {
			fmt.Fprintf(&b, " copied %d", c.CopiedUp)
		}
		if c.Opaque {
			b.WriteString(" opaque")
		}
		if c.Passed {
			b.WriteString(" passed")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// base is a stack of two layers with a bit of everything.
func base(t testing.TB) stack {
	t.Helper()
	at := time.Unix(1_700_000_000, 0)
	layer := func(headers ...*tar.Header) []byte {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, h := range headers {
			h.ModTime, h.Format = at, tar.FormatPAX
			if h.Mode == 0 {
				h.Mode = 0o755
			}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	caps := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // cap_net_bind_service, effective
	return stack{
		layer(
			&tar.Header{Name: "etc", Typeflag: tar.TypeDir},
			&tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Size: 1000},
			&tar.Header{Name: "etc/conf.d", Typeflag: tar.TypeDir},
			&tar.Header{Name: "etc/conf.d/a", Typeflag: tar.TypeReg, Size: 1},
			&tar.Header{Name: "etc/conf.d/sub", Typeflag: tar.TypeDir},
			&tar.Header{Name: "etc/conf.d/sub/b", Typeflag: tar.TypeReg, Size: 2},
			&tar.Header{Name: "bin", Typeflag: tar.TypeDir},
		),
		layer(
			&tar.Header{Name: "bin/tool", Typeflag: tar.TypeReg, Size: 5000, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": caps}},
			&tar.Header{Name: "bin/link", Typeflag: tar.TypeSymlink, Linkname: "tool"},
			&tar.Header{Name: "home", Typeflag: tar.TypeDir, Uid: 1000, Gid: 1000},
			&tar.Header{Name: "home/mine", Typeflag: tar.TypeReg, Uid: 1000, Gid: 1000, Size: 10},
		),
	}
}

func TestChangesSayWhatDockerDiffSays(t *testing.T) {
	cases := []struct{ name, script, want string }{
		{"nothing", "true", ""},
		{"new file", "echo hi > etc/new", "C etc dir\nA etc/new file 3\n"},
		{"append copies up", "echo hi >> etc/passwd", "C etc dir\nC etc/passwd file 1003 copied 1000\n"},
		{"replaced, not copied", "echo hi > tmp; mv tmp etc/passwd", "C etc dir\nC etc/passwd file 3\n"},
		{"chmod of a folder", "chmod 700 etc/conf.d", "C etc dir\nC etc/conf.d dir\n"},
		{"removed", "rm etc/passwd", "C etc dir\nD etc/passwd file\n"},
		{"folder removed", "rm -r etc/conf.d", "C etc dir\nD etc/conf.d dir\n"},
		{
			"folder made anew", "rm -r etc/conf.d; mkdir etc/conf.d; echo 1 > etc/conf.d/a",
			"C etc dir\nC etc/conf.d dir opaque\nC etc/conf.d/a file 2\nD etc/conf.d/sub dir\n",
		},
		{
			"folders made anew", "rm -r etc/conf.d; mkdir -p etc/conf.d/sub",
			"C etc dir\nC etc/conf.d dir opaque\nD etc/conf.d/a file\nC etc/conf.d/sub dir\nD etc/conf.d/sub/b file\n",
		},
		{"file becomes folder", "rm etc/passwd; mkdir etc/passwd; : > etc/passwd/x", "C etc dir\nC etc/passwd dir\nA etc/passwd/x file 0\n"},
		{"folder becomes file", "rm -r etc/conf.d; echo 1 > etc/conf.d", "C etc dir\nC etc/conf.d file 2\n"},
		{"new folders", "mkdir -p a/b; ln -s x a/l; mkfifo a/p", "A a dir\nA a/b dir\nA a/l symlink\nA a/p fifo\n"},
		{"made and removed", "echo > new; rm new", ""},
		{"name order", "mkdir a; : > a/x; : > a-b; : > a.c", "A a dir\nA a/x file 0\nA a-b file 0\nA a.c file 0\n"},
		{"hard link counts once", "echo 12345 > one; ln one two", "A one file 6\nA two file 6\n"},
		{"opened for writing", ": >> etc/passwd", "C etc dir passed\nC etc/passwd file 1000 copied 1000 passed\n"},
		{"rights as they were", "chmod 755 etc/passwd; chown 1000:1000 home/mine", "C etc dir passed\nC etc/passwd file 1000 copied 1000 passed\nC home dir passed\nC home/mine file 10 copied 10 passed\n"},
		{"opened, and another is new", ": >> etc/passwd; : > etc/new", "C etc dir\nA etc/new file 0\nC etc/passwd file 1000 copied 1000 passed\n"},
		{"touched", "touch etc/passwd; touch etc/conf.d; touch -h bin/link", "C bin dir\nC bin/link symlink\nC etc dir\nC etc/conf.d dir passed\nC etc/passwd file 1000 copied 1000\n"},
		{"made and removed below", ": > etc/conf.d/new; rm etc/conf.d/new", "C etc dir passed\nC etc/conf.d dir passed\n"},
		{"other content, other time", "cat etc/passwd > copy; cat copy > etc/passwd; rm copy", "C etc dir\nC etc/passwd file 1000 copied 1000\n"},
		{"a copy in its place", "cp -p etc/passwd copy; mv copy etc/passwd", "C etc dir passed\nC etc/passwd file 1000 passed\n"},
		{"capabilities lost", "chown 0:0 bin/tool", "C bin dir\nC bin/tool file 5000 copied 5000\n"},
		{"a second name", "ln etc/passwd etc/second", "C etc dir\nC etc/passwd file 1000 copied 1000 passed\nA etc/second file 1000\n"},
		{"renamed", "mv bin/tool bin/t", "C bin dir\nA bin/t file 5000\nD bin/tool file\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, base(t))
			l.sh(t, c.script)
			if got := l.text(t); got != c.want {
				t.Errorf("%s\ngot\n%swant\n%s", c.script, got, c.want)
			}
		})
	}
}

func TestChangesCountBytesOnceAndStopListingAtTheLimit(t *testing.T) {
	l := newLab(t, base(t))
	l.sh(t, "echo 12345 > one; ln one two; ln -s one three; echo x >> etc/passwd; mkdir d; for i in 1 2 3 4 5 6 7 8 9; do echo $i > d/$i; done")
	got := l.changes(t, 4)
	if len(got.Changes) != 4 || !got.Truncated {
		t.Errorf("%d changes, truncated %v; want 4, true", len(got.Changes), got.Truncated)
	}
	if want := int64(6 + 3 + 1002 + 18); got.Bytes != want || got.CopiedUp != 1000 {
		t.Errorf("%d bytes, %d copied up; want %d, 1000", got.Bytes, got.CopiedUp, want)
	}
	for _, most := range []int{100, 0} {
		if all := l.changes(t, most); all.Truncated || len(all.Changes) != 15 {
			t.Errorf("of at most %d: %d changes, truncated %v", most, len(all.Changes), all.Truncated)
		}
	}
}

// commit packs the upper and returns the stack with it on top.
func (l *lab) commit(t testing.TB) stack {
	t.Helper()
	items, err := Items(context.Background(), l.upper, l.tree.Top(), testIDs())
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := pack.WriteLayer(&buf, items); err != nil {
		t.Fatal(err)
	}
	return append(append(stack{}, l.stack...), buf.Bytes())
}

// checkCommit compares what the container sees with the tree of the committed
// image.
func (l *lab) checkCommit(t *testing.T, script string) {
	t.Helper()
	s := l.commit(t)
	got := strings.Join(describeView(t, s.build(t).Top(), s), "\n")
	want := strings.Join(describeDisk(t, l.root, testBase), "\n")
	if got != want {
		t.Fatalf("%s\nthe committed image is\n%s\nthe container sees\n%s", script, got, want)
	}
}

func TestACommittedImageIsWhatTheContainerSaw(t *testing.T) {
	for name, script := range map[string]string{
		"everything": `
			echo hi >> etc/passwd; chmod 4755 bin/tool; chown 12:34 home/mine; rm -r etc/conf.d; mkdir etc/conf.d
			echo 1 > etc/conf.d/new; ln etc/conf.d/new zlink; ln zlink alink; ln -s nowhere s; mkfifo p
			touch -d '2001-02-03 04:05:06.123456789' etc/conf.d/new; mkdir -m 1777 tmp; rm bin/link; chmod 750 .`,
		"replaced kinds": "rm -r etc/conf.d; echo f > etc/conf.d; rm etc/passwd; mkdir etc/passwd; echo x > etc/passwd/in",
		"moved":          "mv etc/conf.d/sub moved; mv bin/tool etc/conf.d/a",
		"nothing":        "true",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, base(t))
			l.sh(t, script)
			l.checkCommit(t, script)
		})
	}
}

// randomScript works a while on few names.
func randomScript(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 2))
	path := func() string {
		p := string("abc"[r.IntN(3)])
		for r.IntN(2) == 0 {
			p += "/" + string("abc"[r.IntN(3)])
		}
		return p
	}
	var b strings.Builder
	b.WriteString("exec 2>/dev/null\n") // most of it fails: names meet what they cannot replace
	for range 5 + r.IntN(30) {
		p, q := path(), path()
		switch r.IntN(11) {
		case 0, 1:
			fmt.Fprintf(&b, "test -p %s || echo %s >> %s\n", p, q, p)
		case 2:
			fmt.Fprintf(&b, "rm -rf %s\n", p)
		case 3:
			fmt.Fprintf(&b, "mkdir -p %s\n", p)
		case 4:
			fmt.Fprintf(&b, "mv -T %s %s\n", p, q)
		case 5:
			fmt.Fprintf(&b, "ln %s %s\n", p, q)
		case 6:
			fmt.Fprintf(&b, "ln -s %s %s\n", p, q)
		case 7:
			fmt.Fprintf(&b, "test -L %s || chmod %04o %s\n", p, r.IntN(0o10000), p)
		case 8:
			fmt.Fprintf(&b, "chown -h %d:%d %s\n", r.IntN(100), r.IntN(100), p)
		case 9:
			fmt.Fprintf(&b, "touch -h -d @%d %s\n", r.IntN(1<<31), p)
		case 10:
			fmt.Fprintf(&b, "rm -rf %s; mkdir %s; echo > %s/%c\n", p, p, p, "abc"[r.IntN(3)])
		}
	}
	b.WriteString("true\n")
	return b.String()
}

func TestCommitsOfRandomWorkOnRandomStacks(t *testing.T) {
	n := uint64(60)
	if testing.Short() {
		n = 10
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := newLab(t, randomStack(seed))
			script := randomScript(seed)
			l.sh(t, script)
			l.changes(t, 10) // reads the same upper and must not mind
			l.checkCommit(t, script)
		})
	}
}

func TestCommitTurnsCapabilitiesBack(t *testing.T) {
	l := newLab(t, base(t))
	l.sh(t, "mv bin/tool bin/copied") // the copy-up alone rewrites the attribute
	raw, err := getXattrAt(filepath.Join(l.upper, "bin/copied"), capXattr)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != capSize3 {
		t.Fatalf("the upper has %x: this kernel does not need the test", raw)
	}
	s := l.commit(t)
	n, ok := s.build(t).Top().Lookup("bin/copied")
	if !ok {
		t.Fatal("bin/copied is not in the image")
	}
	x := n.Attr().Xattrs
	if len(x) != 1 || x[0].Key != capXattr || len(x[0].Value) != capSize2 || binary.LittleEndian.Uint32([]byte(x[0].Value)) != capRevision2|1 {
		t.Errorf("attributes %q", x)
	}
}

func TestACLsNameTheImagesIDs(t *testing.T) {
	acl := []byte{2, 0, 0, 0}
	for _, e := range []struct {
		tag uint16
		id  uint32
	}{{1, ^uint32(0)}, {aclUser, testBase + 7}, {aclGroup, testBase}, {4, ^uint32(0)}} {
		acl = binary.LittleEndian.AppendUint16(acl, e.tag)
		acl = binary.LittleEndian.AppendUint16(acl, 7)
		acl = binary.LittleEndian.AppendUint32(acl, e.id)
	}
	got, err := testIDs().acl("p", acl)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(acl)
	binary.LittleEndian.PutUint32(want[4+8+4:], 7)
	binary.LittleEndian.PutUint32(want[4+16+4:], 0)
	if !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func refusal(t *testing.T, l *lab, code string) {
	t.Helper()
	_, err := Items(context.Background(), l.upper, l.tree.Top(), testIDs())
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != code || e.Args["path"] != "etc/d/x" && e.Args["path"] != "etc/d/.wh.x" {
		t.Errorf("got %v, want %s naming the path", err, code)
	}
}

func TestCommitRefusesWhiteoutNamesAndForeignOwners(t *testing.T) {
	l := newLab(t, base(t))
	l.sh(t, "mkdir etc/d; echo > etc/d/.wh.x")
	refusal(t, l, "whiteout-name")
	l = newLab(t, base(t))
	l.sh(t, "mkdir etc/d; echo > etc/d/x")
	if err := os.Lchown(filepath.Join(l.upper, "etc/d/x"), 5, 5); err != nil {
		t.Fatal(err)
	}
	refusal(t, l, "owner-outside")
	if got := l.text(t); got != "C etc dir\nA etc/d dir\nA etc/d/x file 1\n" {
		t.Errorf("the listing minds the owner: %q", got)
	}
}

func TestASocketIsListedAndInNoLayer(t *testing.T) {
	l := newLab(t, base(t))
	if err := unix.Mknod(filepath.Join(l.root, "etc/sock"), unix.S_IFSOCK|0o755, 0); err != nil {
		t.Fatal(err)
	}
	changes := l.changes(t, 0).Changes
	if len(changes) != 2 || changes[1].Path != "etc/sock" || changes[1].Kind != Added || changes[1].Type != 0 {
		t.Errorf("got %+v", changes)
	}
	items, err := Items(t.Context(), l.upper, l.tree.Top(), testIDs())
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != 1 || items[0].Path != "etc" {
		t.Errorf("the layer holds %+v", items)
	}
}

func TestAFileThatGrewAfterTheListingIsNotPacked(t *testing.T) {
	l := newLab(t, base(t))
	l.sh(t, "echo 1 > new")
	items, err := Items(context.Background(), l.upper, l.tree.Top(), testIDs())
	if err != nil {
		t.Fatal(err)
	}
	l.sh(t, "echo 2 >> new")
	if err := pack.WriteLayer(&bytes.Buffer{}, items); !errors.Is(err, imagecore.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func TestAnUpperCannotLeadAstray(t *testing.T) {
	l := newLab(t, base(t))
	l.sh(t, "ln -s /etc/shadow new; mkdir d")
	items, err := Items(context.Background(), l.upper, l.tree.Top(), testIDs())
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if it.Path == "new" && (it.Kind != imagecore.Symlink || it.Open != nil) {
			t.Errorf("%+v", it)
		}
	}
	if _, err := openFile(l.upper, "new", 0); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a symbolic link was opened: %v", err)
	}
	if _, err := openFile(l.upper, "../upper/new", 0); !errors.Is(err, unix.EXDEV) {
		t.Errorf("a path led out: %v", err)
	}
}
