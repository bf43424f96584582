package audit_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/imagetest"
)

func identified(t *testing.T, f imagetest.Format) (imagecore.Image, []audit.Bytes) {
	t.Helper()
	a := imagetest.One(f, imagetest.MustParse("-- layer --\nf a\n-- layer --\nf b\n-- layer --\nf c\n"))
	a.GzipLayers = true
	raw := a.Bytes()
	ar, err := archive.Open(bytes.NewReader(raw), int64(len(raw)), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img := ar.Report().Images[0]
	img.Layers = slices.Clone(img.Layers)
	var read []audit.Bytes
	for _, l := range a.Images[0].Stack {
		tar := l.Tar()
		read = append(read, audit.Bytes{Tar: digest.FromBytes(tar), Blob: digest.FromBytes(imagetest.Gzip(tar))})
	}
	return img, read
}

func mismatches(steps []audit.Step) []string {
	var out []string
	for _, s := range steps {
		if s.Mismatch() {
			out = append(out, s.What)
		}
	}
	return out
}

func TestIdentityFollowsFromTarToManifest(t *testing.T) {
	img, read := identified(t, imagetest.OCI)
	steps := audit.Identity(&img, read)
	var what []string
	for _, s := range steps {
		what = append(what, s.What)
		if s.Computed == "" || s.Mismatch() || s.Claimed.Validate() != nil {
			t.Errorf("%+v", s)
		}
		if s.Literal && digest.FromString(s.Hashed) != s.Claimed {
			t.Errorf("the string of %+v gives another digest", s)
		}
	}
	want := []string{"diffID", "digest", "chainID", "diffID", "digest", "chainID", "diffID", "digest", "chainID", "imageID", "manifest"}
	if !slices.Equal(what, want) {
		t.Errorf("steps %v", what)
	}
	for _, s := range audit.Identity(&img, nil) {
		if (s.What == "diffID" || s.What == "digest") != (s.Computed == "") {
			t.Errorf("without bytes: %+v", s)
		}
	}
}

func TestIdentityNamesEachMismatch(t *testing.T) {
	other := digest.FromString("other")
	for _, c := range []struct {
		want  string
		spoil func(img *imagecore.Image, read []audit.Bytes)
	}{
		{"diffID", func(_ *imagecore.Image, read []audit.Bytes) { read[1].Tar = other }},
		{"digest", func(_ *imagecore.Image, read []audit.Bytes) { read[2].Blob = other }},
		{"chainID", func(img *imagecore.Image, _ []audit.Bytes) { img.Layers[2].ChainID = other }},
		{"imageID", func(img *imagecore.Image, _ []audit.Bytes) { img.Config.Raw += " " }},
		{"manifest", func(img *imagecore.Image, _ []audit.Bytes) { img.Manifest.Raw += " " }},
	} {
		img, read := identified(t, imagetest.OCI)
		c.spoil(&img, read)
		if got := mismatches(audit.Identity(&img, read)); !slices.Equal(got, []string{c.want}) {
			t.Errorf("got %v, want %s alone", got, c.want)
		}
	}
}

// docker save has no manifest whose digest counts.
func TestIdentityOfDockerSaveEndsAtTheConfig(t *testing.T) {
	img, read := identified(t, imagetest.DockerSave)
	steps := audit.Identity(&img, read)
	if last := steps[len(steps)-1]; last.What != "imageID" || last.Mismatch() || last.Claimed != img.ID {
		t.Errorf("%+v", last)
	}
}

// The ids of version 1 and the checksums of a chain, and what is said where
// they are not what the bytes give.
func TestIdentityOfVersion1(t *testing.T) {
	img, read := identified(t, imagetest.DockerSave)
	parent := ""
	for i := range img.Layers {
		v := imagecore.V1{Checksum: "tarsum.v1+" + digest.FromString("layer").String()}
		fields := `"created":"2001-09-09T01:46:40Z","layer_id":"` + img.Layers[i].ChainID.String() + `"`
		if parent != "" {
			fields += `,"parent":"sha256:` + parent + `"`
		}
		v.ID = digest.FromString("{" + fields + "}").Encoded()
		v.Raw = `{"id":"` + v.ID + `","parent":"` + parent + `","created":"2001-09-09T01:46:40Z","os":"linux"}`
		img.V1 = append(img.V1, v)
		read[i].Checksum = digest.Digest(v.Checksum)
		parent = v.ID
	}
	agree := 0
	for _, s := range audit.Identity(&img, read) {
		if s.What != audit.StepV1ID && s.What != audit.StepChecksum {
			continue
		}
		if s.Computed == "" || s.Mismatch() {
			t.Errorf("%+v", s)
		}
		if s.Literal && digest.FromString(s.Hashed) != s.Claimed {
			t.Errorf("the string of %+v gives another digest", s)
		}
		agree++
	}
	if agree != 2*len(img.Layers) {
		t.Errorf("%d ids and checksums were looked at", agree)
	}
	read[1].Checksum = "tarsum.v1+sha256:other"
	if got := mismatches(audit.Identity(&img, read)); !slices.Equal(got, []string{audit.StepChecksum}) {
		t.Errorf("got %v, want the checksum alone", got)
	}
	// An id that is drawn at random is no mismatch: nobody can tell.
	img.V1[2].ID = digest.FromString("random").Encoded()
	for _, s := range audit.Identity(&img, read) {
		if s.What == audit.StepV1ID && *s.Layer == 2 && (s.Computed != "" || s.Literal) {
			t.Errorf("%+v", s)
		}
	}
}

func TestV1FieldsAreExplained(t *testing.T) {
	fields := audit.V1Fields(`{"zzz":1,"config":{"Env":[],"User":"a","Zzz":null},"id":"b","Size":3}`)
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
		if f.Means == "" {
			t.Errorf("%s is not explained", f.Name)
		}
	}
	if want := []string{"id", "Size", "config.User", "config.Env", "config.Zzz", "zzz"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	for _, raw := range []string{"", "[]", "null", `"x"`} {
		if got := audit.V1Fields(raw); len(got) != 0 {
			t.Errorf("%s: %v", raw, got)
		}
	}
}
