package tree_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// TestAttributesPassedOverNeedNoTrees strews attributes over random stacks and
// wants the warnings that come of the tree alone to be those that come of the
// trees of all lenses.
func TestAttributesPassedOverNeedNoTrees(t *testing.T) {
	alone, differ := 0, 0
	for seed := range uint64(3000) {
		s := imagetest.Random(seed)
		g := rand.New(rand.NewPCG(seed, 1))
		for _, l := range s {
			for i := range l {
				if g.IntN(3) > 0 {
					continue
				}
				keys := []string{"security.selinux", "security.ima", "trusted.md5", "com.apple.provenance", "system.nfs4_acl", "user", "user.k"}
				l[i].Xattrs = map[string]string{keys[g.IntN(len(keys))]: "v"}
			}
		}
		layers, _ := s.Layers()
		build := func() *tree.Tree {
			tr, err := tree.Build(layers, tree.Spec)
			if err != nil {
				t.Fatal(err)
			}
			return tr
		}
		quick, whole := build(), build()
		if doubt, passed := quick.Doubted(); doubt || !passed {
			continue
		}
		alone++
		whole.Doubt()
		got, want := quick.Warnings(), whole.Warnings()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: the tree alone gives\n%+v\nthe trees of all lenses\n%+v\n%s", seed, got, want, s)
		}
		if len(want) > 0 {
			differ++
		}
	}
	if alone < 100 || differ < 100 {
		t.Errorf("%d stacks with attributes and nothing else, %d of them differ: too few to say anything", alone, differ)
	}
	t.Logf("%d stacks with attributes and nothing else that is odd, %d of which some lens shows otherwise", alone, differ)
}

// TestLabelsCostNoTrees builds what a distribution with SELinux packs.
func TestLabelsCostNoTrees(t *testing.T) {
	layers, _ := imagetest.MustParse(`
-- layer --
d etc xattr.security.selinux="system_u:object_r:etc_t:s0"
f etc/passwd "root" xattr.security.selinux="system_u:object_r:passwd_file_t:s0"
`).Layers()
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	found := tr.Warnings()
	if doubt, _ := tr.Doubted(); doubt || len(found) != 2 || found[1].Code != "lens-differs" || found[1].Args["lenses"] != string(tree.Umoci) || found[1].Entry != "etc/passwd" {
		t.Errorf("doubt %v, warnings %+v", doubt, found)
	}
}
