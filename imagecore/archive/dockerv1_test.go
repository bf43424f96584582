package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
)

// emptyLayer is the tar without entries that Docker 1.0–1.9 gave to each image
// that changed nothing, and its diffID, known from many configs.
var emptyLayer = strings.Repeat("\x00", 1024)

const emptyDiffID = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

// v1Files is an image of Docker's specification v1: the files of its folder. The
// layer has one file of the image's own name.
func v1Files(id, parent string) []member {
	return []member{
		{name: id + "/VERSION", content: "1.0"},
		{name: id + "/json", content: fmt.Sprintf(`{"id":%q,"parent":%q,"architecture":"amd64","os":"linux","container_config":{"Cmd":["make %s"]}}`, id, parent, id)},
		{name: id + "/layer.tar", content: tarOf(member{name: id, content: "of " + id})},
	}
}

// stacks says of each image its names and the images that it is made of.
func stacks(a *Archive) []string {
	var all []string
	for _, img := range a.Report().Images {
		var ids []string
		for _, v := range img.V1 {
			ids = append(ids, v.ID)
		}
		all = append(all, strings.Join(img.Refs, " ")+"="+strings.Join(ids, "<"))
	}
	slices.Sort(all)
	return all
}

// Several images may have grown from one base. Without names those that are
// nobody's parent are the images.
func TestV1LeavesAreImagesOfTheirOwn(t *testing.T) {
	tree := slices.Concat(v1Files("base", ""), v1Files("left", "base"), v1Files("right", "base"), v1Files("top", "right"), v1Files("alone", ""))
	a := open(t, tarOf(tree...), Options{})
	if got, want := stacks(a), []string{"=alone", "=base<left", "=base<right<top"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if a.Report().Source.Format != "docker-v1" {
		t.Errorf("format %s", a.Report().Source.Format)
	}
	for i := range a.Report().Images {
		if err := a.Verify(context.Background(), i, nil); err != nil {
			t.Error(err)
		}
	}
}

// `repositories` may name any image, one that others stand on too; what
// "docker save ID" adds has no name in it.
func TestV1NamesOfInnerLayersAreImagesToo(t *testing.T) {
	tree := append(slices.Concat(v1Files("base", ""), v1Files("middle", "base"), v1Files("top", "middle"), v1Files("nameless", "base")),
		member{name: "repositories", content: `{"n":{"latest":"top","mid":"middle"},"other":{"1":"middle"}}`})
	a := open(t, tarOf(tree...), Options{})
	if got, want := stacks(a), []string{"=base<nameless", "n:latest=base<middle<top", "n:mid other:1=base<middle"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	images := a.Report().Images
	if &images[0].Layers[0].Entries[0] != &images[1].Layers[0].Entries[0] {
		t.Error("the layer that both have was scanned twice")
	}
	if images[0].Layers[1].ChainID != images[1].Layers[1].ChainID || images[0].ID == images[1].ID {
		t.Errorf("chains %s and %s", images[0].Layers[1].ChainID, images[1].Layers[1].ChainID)
	}
}

func TestV1ChainsThatAreBrokenAreRefused(t *testing.T) {
	named := func(id string) member {
		return member{name: "repositories", content: `{"n":{"t":"` + id + `"}}`}
	}
	for what, c := range map[string]struct {
		files       []member
		code, words string
	}{
		"a parent that is absent":       {append(v1Files("top", "gone"), named("top")), "missing-file", `the image "gone" is not in the archive: "gone/json"`},
		"the same without names":        {v1Files("top", "gone"), "missing-file", `the image "gone" is not in the archive: "gone/json"`},
		"a name of nothing":             {append(v1Files("top", ""), named("gone")), "missing-file", `the image "gone" is not in the archive`},
		"a name of an empty id":         {append(v1Files("top", ""), named("")), "missing-file", `tar entry "repositories": the name "n:t" is that of no image`},
		"a parent without a layer":      {slices.Concat(v1Files("base", "")[:2], v1Files("top", "base"), []member{named("top")}), "missing-file", `the layer is not in the archive: "base/layer.tar"`},
		"an image that is its parent":   {append(v1Files("top", "top"), named("top")), "parent-loop", "an image is its own ancestor"},
		"a circle of parents":           {slices.Concat(v1Files("a", "b"), v1Files("b", "c"), v1Files("c", "a"), []member{named("b")}), "parent-loop", `tar entry "b/json": an image is its own ancestor`},
		"a circle without names":        {slices.Concat(v1Files("a", "b"), v1Files("b", "a")), "parent-loop", "an image is its own ancestor"},
		"a circle beside an image":      {slices.Concat(v1Files("a", "b"), v1Files("b", "a"), v1Files("top", ""), []member{named("top")}), "parent-loop", `tar entry "a/json": an image is its own ancestor`},
		"a parent that leaves the root": {append(v1Files("top", "../../etc"), named("top")), "", ""},
	} {
		s := tarOf(c.files...)
		_, err := Open(strings.NewReader(s), int64(len(s)), Options{})
		var e *imagecore.Error
		if !errors.As(err, &e) || !errors.Is(err, imagecore.ErrInvalid) || c.code != "" && e.Code != c.code || !strings.Contains(fmt.Sprint(err), c.words) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// An image that changes nothing has a layer of 1,024 zeros, which counts as one
// among the diffIDs.
func TestV1EmptyLayersCount(t *testing.T) {
	nothing := v1Files("nothing", "base")
	nothing[2].content = emptyLayer
	a := open(t, tarOf(slices.Concat(v1Files("base", ""), nothing, v1Files("top", "nothing"))...), Options{})
	l := a.Report().Images[0].Layers
	if len(l) != 3 || l[1].DiffID != emptyDiffID || l[1].EntryCount != 0 || l[1].TarSize != 1024 || !l[1].Present || l[2].EntryCount != 1 {
		t.Errorf("%+v", l)
	}
	if err := a.Verify(context.Background(), 0, nil); err != nil {
		t.Error(err)
	}
}

// Docker 1.10 and later write equal layers as links to the first.
func TestV1LayersMayBeLinks(t *testing.T) {
	twin := v1Files("top", "base")
	twin[2] = member{name: "top/layer.tar", content: "../base/layer.tar", typ: tar.TypeSymlink}
	a := open(t, tarOf(append(v1Files("base", ""), twin...)...), Options{})
	l := a.Report().Images[0].Layers
	if len(l) != 2 || l[0].DiffID != l[1].DiffID || l[0].ChainID == l[1].ChainID {
		t.Errorf("%+v", l)
	}
}

// What Dockers before 1.8.3 wrote passes through a struct of Docker's that drops
// what it does not know and adds what it never leaves out; "make test-engines"
// holds the ids against Docker itself.
func TestV1JSONOfOldDockersIsMadeWhole(t *testing.T) {
	const settings = `"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,` +
		`"Env":null,"Cmd":%s,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null`
	whole := `{"config":{` + fmt.Sprintf(settings, `["sh"]`) + `},"container_config":{` + fmt.Sprintf(settings, "null") + `},"created":"0001-01-01T00:00:00Z",%s"history":[{"created":"0001-01-01T00:00:00Z"}],"os":"linux",`
	for version, want := range map[string]string{
		"":       fmt.Sprintf(whole, ""),
		"1.0.0":  fmt.Sprintf(whole, `"docker_version":"1.0.0",`),
		"1.8.2":  fmt.Sprintf(whole, `"docker_version":"1.8.2",`),
		"1.8.3":  `{"config":{"Cmd":"sh","Memory":7},"docker_version":"1.8.3","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"linux",`,
		"1.12.0": `{"config":{"Cmd":"sh","Memory":7},"docker_version":"1.12.0","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"linux",`,
	} {
		files := v1Files("top", "")
		files[1].content = fmt.Sprintf(`{"id":"top","os":"linux","docker_version":%q,"config":{"Cmd":"sh","Memory":7}}`, version)
		if version == "" {
			files[1].content = `{"id":"top","os":"linux","config":{"Cmd":"sh","Memory":7}}`
		}
		img := open(t, tarOf(files...), Options{}).Report().Images[0]
		if got, _, _ := strings.Cut(img.Config.Raw, `"rootfs"`); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", version, got, want)
		}
	}
}
