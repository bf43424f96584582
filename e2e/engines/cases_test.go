//go:build linux && engines

package engines

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// stack is an image to be unpacked, with what a lens makes of it.
type stack struct {
	seed    int
	name    string // the engine's reference of it
	layers  imagetest.Stack
	want    []imagetest.Full
	refused string // why the lens says that the engine refuses it, "" if it does not
}

// stacks returns the random images, as the lens shows them.
func stacks(t *testing.T, lens tree.Lens) []*stack {
	t.Helper()
	first, n := setting(t, "LAYERLAB_SEED", 0), setting(t, "LAYERLAB_STACKS", 500)
	all := make([]*stack, n)
	for i := range all {
		all[i] = lensed(t, imagetest.Odd(uint64(first+i)), first+i, lens)
	}
	return append(all, lensed(t, imagetest.MustParse(attributes), 1_000_000_000, lens))
}

// attributes is a stack with those that engines treat each in its own way, but
// for security.selinux, which a host may set by itself.
const attributes = `
-- layer --
d etc xattr.security.label="system_u:object_r:etc_t:s0" xattr.trusted.t="1" xattr.com.apple.provenance="p" xattr.user.k="v"
f etc/conf "conf" xattr.security.label="system_u:object_r:etc_t:s0" xattr.trusted.t="1" xattr.com.apple.provenance="p" xattr.user.k="v"
s etc/link -> conf xattr.security.label="system_u:object_r:etc_t:s0" xattr.trusted.t="2"
h etc/twin -> etc/conf xattr.security.label="system_u:object_r:etc_t:s0" xattr.trusted.t="1" xattr.com.apple.provenance="p" xattr.user.k="v"
-- layer --
d etc xattr.security.label="other" xattr.trusted.u="2"
f etc/new "new" xattr.system.nfs4_acl="no"
`

func lensed(t *testing.T, layers imagetest.Stack, seed int, lens tree.Lens) *stack {
	t.Helper()
	s := &stack{seed: seed, name: fmt.Sprintf("stack%d:latest", seed), layers: layers}
	read, tars := s.layers.Layers()
	tr, err := tree.Build(read, lens)
	var e *imagecore.Error
	switch {
	case errors.As(err, &e) && e.Code == "engine-refuses":
		s.refused = e.Args["reason"]
		return s
	case err != nil:
		t.Fatalf("seed %d: %v", seed, err)
	}
	if s.want, err = imagetest.ViewFull(tr.Top(), imagetest.Opener(tars)); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return s
}

// archive returns a docker save archive of all the stacks.
func archive(all []*stack) []byte {
	a := imagetest.Archive{Format: imagetest.DockerSave}
	for _, s := range all {
		// Each image has a configuration of its own, so that equal stacks are
		// still unpacked under their own names.
		a.Images = append(a.Images, imagetest.Image{Stack: s.layers, Refs: []string{s.name}})
	}
	return a.Bytes()
}

// repeated is why Docker refuses a name that comes twice.
const repeated = "duplicates of file paths not supported"

// tally counts what was compared and how it ended.
type tally struct {
	engine                         string
	compared, refused, differences int
}

// shown compares the tree that an engine made of a stack.
func (c *tally) shown(t *testing.T, s *stack, root string) {
	t.Helper()
	got, err := imagetest.DiskFull(root)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", s.seed, err, s.layers)
	}
	c.compared++
	if s.refused != "" {
		c.differs(t, s, fmt.Sprintf("unpacks what the lens says it refuses: %s\n%v", s.refused, got))
	} else if d := imagetest.CompareFull(s.want, got); d != "" {
		c.differs(t, s, d)
	}
}

// refuses compares a refusal: the kernel's word for it must be the lens's too.
func (c *tally) refuses(t *testing.T, s *stack, message string) {
	t.Helper()
	c.compared++
	c.refused++
	reason := s.refused[strings.LastIndex(s.refused, ": ")+1:]
	if s.refused == repeated && strings.Contains(message, "Error processing tar file") {
		return // tar-split reads along; what comes first is a matter of chance
	}
	switch {
	case s.refused == "":
		c.differs(t, s, "refuses: "+message)
	case !strings.Contains(message, strings.TrimSpace(reason)):
		c.differs(t, s, "refuses: "+message+"\nthe lens says: "+s.refused)
	}
}

func (c *tally) differs(t *testing.T, s *stack, what string) {
	t.Helper()
	if c.differences++; c.differences <= 20 {
		t.Errorf("seed %d: %s %s\n%s", s.seed, c.engine, what, s.layers)
	} else {
		t.Fail()
	}
}

func (c *tally) print(t *testing.T) {
	t.Helper()
	t.Logf("%s: %d stacks compared, %d of them refused, %d differences", c.engine, c.compared, c.refused, c.differences)
}
