package guest

import (
	"reflect"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
)

func TestEntriesSurviveTheBoundary(t *testing.T) {
	l := imagecore.GuestLimits()
	for seed := range uint64(200) {
		layers, _ := imagetest.Random(seed).Layers()
		for i := range layers {
			got, err := DecodeEntries(AppendEntries(nil, layers[i].Entries), l)
			if err != nil || len(got) != len(layers[i].Entries) || len(got) > 0 && !reflect.DeepEqual(got, layers[i].Entries) {
				t.Fatalf("stack %d layer %d: %v\n%v\nwant\n%v", seed, i, err, got, layers[i].Entries)
			}
		}
	}
}

func TestEntriesThatNoScannerMakesAreRefused(t *testing.T) {
	l := imagecore.GuestLimits()
	good := imagecore.Entry{Name: "a", Path: "a", Kind: imagecore.File, Size: 10, Stored: 10}
	for name, change := range map[string]func(*imagecore.Entry){
		"up":              func(e *imagecore.Entry) { e.Path = "../a" },
		"absolute":        func(e *imagecore.Entry) { e.Path = "/a" },
		"not clean":       func(e *imagecore.Entry) { e.Path = "a/../../b" },
		"zero byte":       func(e *imagecore.Entry) { e.Path = "a\x00b" },
		"link up":         func(e *imagecore.Entry) { e.Kind, e.Link = imagecore.Hardlink, "../a" },
		"no kind":         func(e *imagecore.Entry) { e.Kind = 0 },
		"unknown kind":    func(e *imagecore.Entry) { e.Kind = 77 },
		"negative size":   func(e *imagecore.Entry) { e.Size = -1 },
		"negative offset": func(e *imagecore.Entry) { e.DataOffset = -1 },
		"fragment":        func(e *imagecore.Entry) { e.Sparse = []imagecore.Fragment{{Offset: 8, Length: 3}} },
		"absurd size":     func(e *imagecore.Entry) { e.Size = l.Layer + 1 },
		"overlap": func(e *imagecore.Entry) {
			e.Sparse = []imagecore.Fragment{{Offset: 0, Length: 5}, {Offset: 4, Length: 1}}
		},
		"mode": func(e *imagecore.Entry) { e.Mode = 0o100644 },
	} {
		e := good
		change(&e)
		if _, err := DecodeEntries(AppendEntries(nil, []imagecore.Entry{e}), l); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	whole := AppendEntries(nil, []imagecore.Entry{good})
	if _, err := DecodeEntries(whole, l); err != nil {
		t.Error(err)
	}
	for n := range whole {
		if _, err := DecodeEntries(whole[:n], l); err == nil {
			t.Errorf("%d of %d bytes pass", n, len(whole))
		}
	}
}

func FuzzDecodeEntries(f *testing.F) {
	layers, _ := imagetest.Random(1).Layers()
	f.Add(AppendEntries(nil, layers[0].Entries))
	l := imagecore.GuestLimits()
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := DecodeEntries(b, l)
		if err != nil {
			return
		}
		again, err := DecodeEntries(AppendEntries(nil, list), l)
		if err != nil || len(again) != len(list) {
			t.Error(err)
		}
	})
}
