package idrange_test

import (
	"errors"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/engine/idrange"
)

func TestPickAvoidsGrantsOfOthersAndOtherContainers(t *testing.T) {
	fallback := idrange.Range{First: 1_000_000, Count: 4 * idrange.Size}
	subuid := []byte("# comment\nada:1065536:65536\nbroken line\n")
	subgid := []byte("ada:1131072:1\n") // one id of the third slot
	pool := idrange.NewPool(subuid, subgid, "layerlab", fallback)

	first, err := pool.Pick(nil, 0)
	if err != nil || first.First != 1_000_000 || first.Count != idrange.Size {
		t.Fatalf("first = %+v, %v", first, err)
	}
	second, err := pool.Pick([]idrange.Range{first}, 0)
	if err != nil || second.First != 1_000_000+3*idrange.Size {
		t.Fatalf("second = %+v, %v; want the fourth slot, two are ada's", second, err)
	}
	if _, err := pool.Pick([]idrange.Range{first, second}, 0); !errors.Is(err, imagecore.ErrHost) {
		t.Fatalf("third: %v, want unavailable", err)
	}
}

func TestOwnGrantsComeBeforeTheFallback(t *testing.T) {
	subuid := []byte("layerlab:200000:131072\nada:331072:65536\n")
	subgid := []byte("layerlab:265536:131072\n")
	pool := idrange.NewPool(subuid, subgid, "layerlab", idrange.Default())
	r, err := pool.Pick(nil, 7)
	if err != nil || r.First != 265536 {
		t.Fatalf("got %+v, %v; want what both files grant", r, err)
	}
	if _, err := pool.Pick([]idrange.Range{r}, 7); err == nil {
		t.Fatal("a second range came from nowhere")
	}
}

func TestSeedMovesTheBeginningAndWraps(t *testing.T) {
	pool := idrange.NewPool(nil, nil, "layerlab", idrange.Default())
	a, _ := pool.Pick(nil, 4093)
	b, err := pool.Pick([]idrange.Range{a}, 4093)
	if err != nil || a == b || b.First != idrange.Default().First {
		t.Fatalf("a = %+v, b = %+v, %v", a, b, err)
	}
}
