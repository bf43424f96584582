package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
)

// FuzzDocuments opens archives whose JSON documents are arbitrary: the list of
// docker save, the index and the names of version 1. Nothing makes it panic,
// and each refusal says of which kind it is.
func FuzzDocuments(f *testing.F) {
	const hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	f.Add([]byte(`[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l/layer.tar"]}]`), []byte(``), []byte(``), []byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:`+hex+`"]}}`))
	f.Add([]byte(``), []byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:`+hex+`","size":2,"mediaType":"application/vnd.oci.image.index.v1+json"}]}`), []byte(``), []byte(`{"manifests":[]}`))
	f.Add([]byte(``), []byte(``), []byte(`{"a":{"latest":"l","b":"l"}}`), []byte(`{"id":"l","parent":"l"}`))
	f.Add([]byte(`null`), []byte(`{"manifests":null}`), []byte(`{"":{"":""}}`), []byte(`null`))
	f.Add([]byte(`[{"Config":"c.json","Layers":["c.json","../c.json",""]}]`), []byte(`[]`), []byte(`[]`), []byte(`{"rootfs":{"diff_ids":["",""]},"history":[{"empty_layer":true},null]}`))
	f.Fuzz(func(t *testing.T, list, index, names, other []byte) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, x := range []struct {
			name string
			data []byte
		}{
			{"manifest.json", list},
			{"index.json", index},
			{"repositories", names},
			{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
			{"c.json", other},
			{"l/json", other},
			{"l/VERSION", []byte("1.0")},
			{"blobs/sha256/" + hex, other},
			{"l/layer.tar", make([]byte, 1024)},
		} {
			if len(x.data) == 0 {
				continue
			}
			if err := w.WriteHeader(&tar.Header{Name: x.name, Mode: 0o644, Size: int64(len(x.data))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(x.data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		a, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), Options{})
		if err != nil {
			var ie *imagecore.Error
			if !errors.As(err, &ie) || ie.Code == "" || ie.Kind == nil {
				t.Fatalf("an error without code or kind: %v", err)
			}
			return
		}
		defer a.Close()
		for _, img := range a.Report().Images {
			if img.ID.Validate() != nil {
				t.Fatalf("an image without an id: %+v", img)
			}
		}
	})
}
