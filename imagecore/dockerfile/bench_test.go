package dockerfile_test

import (
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore/dockerfile"
)

// The most that Match does: as many instructions and entries as it takes, all
// of them commands that share words.
func BenchmarkMatch(b *testing.B) {
	h, _ := history(strings.TrimSuffix(strings.Repeat("+RUN /bin/sh -c a b c d e f g h # buildkit\n", 1000), "\n"))
	file, err := dockerfile.Parse("FROM x\n" + strings.Repeat("RUN b a d c f e h g $X\n", 999))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		dockerfile.Match(file, h)
	}
}
