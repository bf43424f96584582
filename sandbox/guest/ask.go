package guest

import (
	"context"
	"encoding/json"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/dockerfile"
	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// What the page asks beside a survey.
const (
	KindAccount Kind = 10 // JSON of account.Account
	KindLines   Kind = 11 // JSON of []imagecore.Line
	KindELF     Kind = 12 // JSON of elf.Binary
)

// AccountRequest asks what an image of the archive that was surveyed wastes.
type AccountRequest struct {
	Op       string `json:"op"` // "account"
	Image    int    `json:"image"`
	Contents bool   `json:"contents"` // compare contents, which reads files of equal size
}

// DockerfileRequest asks which layers the lines of a Dockerfile made. It needs
// no archive.
type DockerfileRequest struct {
	Op      string              `json:"op"` // "dockerfile"
	Text    string              `json:"text"`
	History []imagecore.History `json:"history"`
}

func (g *Guest) account(request []byte) error {
	var r AccountRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return badRequest(err.Error())
	}
	layers, err := g.layers("an account", r.Image)
	if err != nil {
		return err
	}
	t, err := tree.Build(layers, tree.Spec)
	if err != nil {
		return err
	}
	var sums audit.Sums
	if r.Contents {
		sums = func(refs []tree.Ref) (map[tree.Ref]string, error) {
			return contents.SumEntries(context.Background(), t, refs, contents.Of(g.arch, r.Image))
		}
	}
	a, err := account.Of(t, layers, sums)
	if err != nil {
		return err
	}
	return g.emitJSON(KindAccount, a)
}

// elf tells what one file is. Reading its tables takes a few kilobytes.
func (g *Guest) elf(r Request) error {
	layers, err := g.layered("a file", r.Image, r.Layer)
	if err != nil {
		return err
	}
	t, err := tree.Build(layers, tree.Spec)
	if err != nil {
		return err
	}
	facts, err := elf.Look(t, r.Layer, r.Path, contents.Of(g.arch, r.Image))
	if err != nil {
		return err
	}
	return g.emitJSON(KindELF, facts)
}

func (g *Guest) dockerfile(request []byte) error {
	var r DockerfileRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return badRequest(err.Error())
	}
	file, err := dockerfile.Parse(r.Text)
	if err != nil {
		return err
	}
	return g.emitJSON(KindLines, dockerfile.Match(file, r.History))
}

func (g *Guest) emitJSON(kind Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	g.host.Emit(kind, b)
	return nil
}
