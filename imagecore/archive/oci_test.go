package archive

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/layerlab/layerlab/imagecore"
)

// blobs are files of a layout by their digests.
type blobs map[string]string

// put adds a document and returns a descriptor of it, with further members.
func (b blobs) put(document, mediaType string, more ...string) string {
	b["blobs/sha256/"+sha(document).Encoded()] = document
	return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s.v1+json","digest":%q,"size":%d%s}`,
		mediaType, sha(document), len(document), strings.Join(append([]string{""}, more...), ","))
}

// image adds an image of one layer for a platform.
func (b blobs) image(arch, variant string) (manifest string) {
	layer := tarOf(member{name: "for-" + arch + variant})
	config := strings.Replace(configOf(layer), `"amd64"`, fmt.Sprintf(`"%s","variant":%q`, arch, variant), 1)
	b["blobs/sha256/"+sha(layer).Encoded()] = layer
	return fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		b.put(config, "config"), sha(layer), len(layer))
}

func indexOf(descriptors ...string) string {
	return `{"schemaVersion":2,"manifests":[` + strings.Join(descriptors, ",") + `]}`
}

const named = `"annotations":{"org.opencontainers.image.ref.name":"app:1"}`

// One name may stand for an index of images for several platforms, within
// another index; what is only an attestation of an image is none, and a
// platform may be absent.
func TestIndexesHoldPlatformsAndAttestations(t *testing.T) {
	b := blobs{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`}
	amd64 := b.image("amd64", "")
	arm := b.image("arm", "v7")
	attested := b.put(amd64, "manifest", `"platform":{"os":"linux","architecture":"amd64"}`)
	byAnnotation := b.put(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"`+sha("").String()+`","size":0},"layers":[]}`, "manifest",
		`"platform":{"os":"unknown","architecture":"unknown"}`,
		fmt.Sprintf(`"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}`, sha(amd64)))
	absent := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":3,"platform":{"os":"linux","architecture":"s390x"}}`, sha("s390x"))
	inner := indexOf(attested, byAnnotation, absent, b.put(arm, "manifest", `"platform":{"os":"linux","architecture":"arm","variant":"v7"}`))
	b["index.json"] = indexOf(b.put(indexOf(b.put(inner, "index")), "index", named))
	a := open(t, tarOf(members(b)...), Options{})
	var platforms []string
	for _, img := range a.Report().Images {
		platforms = append(platforms, img.Platform+" "+strings.Join(img.Refs, ",")+" "+img.Layers[0].Entries[0].Name)
	}
	if want := []string{"linux/amd64 app:1 for-amd64", "linux/arm/v7 app:1 for-armv7"}; !slices.Equal(platforms, want) {
		t.Errorf("%q, want %q", platforms, want)
	}
	told := map[string]imagecore.Warning{}
	for _, w := range a.Report().Warnings {
		told[w.Code] = w
	}
	if w := told["attestation"]; len(told) != 2 || w.Args["kind"] != "attestation-manifest" || w.Args["of"] != sha(amd64).String() {
		t.Errorf("%+v", told)
	}
	if w := told["absent-platform"]; w.Args["platform"] != "linux/s390x" {
		t.Errorf("%+v", told)
	}
}

// Layers that can be fetched file by file are read like any other, and named.
func TestLayersWithATableOfContentsAreNamed(t *testing.T) {
	layer := tarOf(member{name: "f", content: "hello"}, member{name: "stargz.index.json", content: `{"version":1,"entries":[]}`})
	config := configOf(layer)
	for form, c := range map[string]struct{ blob, mediaType string }{
		EStargz:     {gz(layer) + estargzFooter(0), "application/vnd.oci.image.layer.v1.tar+gzip"},
		ZstdChunked: {zst(t, layer) + zstdChunkedFooter(), "application/vnd.oci.image.layer.v1.tar+zstd"},
		"":          {gz(layer), "application/vnd.oci.image.layer.v1.tar+gzip"},
	} {
		b := blobs{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "blobs/sha256/" + sha(c.blob).Encoded(): c.blob}
		manifest := fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`, b.put(config, "config"), c.mediaType, sha(c.blob), len(c.blob))
		b["index.json"] = indexOf(b.put(manifest, "manifest", named))
		a := open(t, tarOf(members(b)...), Options{})
		if l := a.Report().Images[0].Layers[0]; l.Form != form || l.EntryCount != 2 || l.Size != int64(len(c.blob)) {
			t.Errorf("%q: %+v", form, l)
		}
		if err := a.Verify(t.Context(), 0, nil); err != nil {
			t.Errorf("%q: %v", form, err)
		}
	}
}

// helloBzip2 is `bzip2 -9` of tarOf(member{name: "f", content: "hello"}).
const helloBzip2 = "QlpoOTFBWSZTWZkDSAEAADPbkMmAQABPhAAA40SeAAQAAAggAFRWgABoDTQYinqBoPUDIRKfr4iACLvIohpnF5wRLApUhiXQJlpRDjIbi5yQLij6SCMzeAfF3JFOFCQmQNIAQA=="

// What an archive and its layers are packed by is seen from the bytes.
func TestEveryPackingIsReadOutsideAndForLayers(t *testing.T) {
	layer := tarOf(member{name: "f", content: "hello"})
	bz, err := base64.StdEncoding.DecodeString(helloBzip2)
	if err != nil {
		t.Fatal(err)
	}
	var xzed bytes.Buffer
	w, err := xz.NewWriter(&xzed)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, layer)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string]string{"none": layer, "gzip": gz(layer), "zstd": zst(t, layer), "xz": xzed.String(), "bzip2": string(bz)} {
		b := blobs{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "blobs/sha256/" + sha(packed).Encoded(): packed}
		manifest := fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`, b.put(configOf(layer), "config"), sha(packed), len(packed))
		b["index.json"] = indexOf(b.put(manifest, "manifest", named))
		for what, s := range map[string]string{"layer": tarOf(members(b)...), "archive": packed} {
			a := open(t, s, Options{})
			r := a.Report()
			if l := r.Images[0].Layers[0]; l.DiffID != sha(layer) || l.TarSize != int64(len(layer)) || len(l.Entries) != 1 || l.Entries[0].Path != "f" || what == "archive" && r.Source.Compression != name {
				t.Errorf("%s of %s: %+v", what, name, r)
			}
			if err := a.Verify(t.Context(), 0, nil); err != nil {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
}

func zst(t *testing.T, s string) string {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return string(e.EncodeAll([]byte(s), nil))
}
