package inside

import (
	"context"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/tree"
)

// slowImages hold the tree of one image back.
type slowImages struct {
	slow  digest.Digest
	asked chan struct{}
	free  chan struct{}
}

func (s *slowImages) Tree(_ context.Context, id digest.Digest) (*tree.Tree, error) {
	if id == s.slow {
		close(s.asked)
		<-s.free
	}
	return tree.Build(nil, tree.Spec)
}

func TestNobodyWaitsForAnotherImagesTree(t *testing.T) {
	images := &slowImages{slow: digest.FromString("large"), asked: make(chan struct{}), free: make(chan struct{})}
	trees := NewTrees(images)
	done := make(chan error, 1)
	go func() {
		_, err := trees.Get(t.Context(), images.slow)
		done <- err
	}()
	<-images.asked
	first, err := trees.Get(t.Context(), digest.FromString("small")) // hangs where it waits
	if err != nil {
		t.Fatal(err)
	}
	close(images.free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"a", "small", "b"} {
		if _, err := trees.Get(t.Context(), digest.FromString(other)); err != nil {
			t.Fatal(err)
		}
	}
	if again := trees.find(digest.FromString("small")); again != first {
		t.Error("the tree that was used lately is forgotten")
	}
	if n := len(trees.kept); n != keepTrees {
		t.Errorf("%d trees kept, want %d", n, keepTrees)
	}
}
