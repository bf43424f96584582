package survey_test

import (
	"os"
	"testing"

	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
)

type nosink struct{}

func (nosink) Report([]byte) error     { return nil }
func (nosink) Index(int, []byte) error { return nil }

func BenchmarkZZ(b *testing.B) {
	f, err := os.Open(os.Getenv("ZZ"))
	if err != nil {
		b.Fatal(err)
	}
	st, _ := f.Stat()
	b.ReportAllocs()
	for b.Loop() {
		a, err := survey.Run(f, st.Size(), archive.Options{}, tree.Spec, nosink{})
		if err != nil {
			b.Fatal(err)
		}
		a.Close()
	}
}
