package command

import (
	"errors"
	"fmt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/diff"
)

// verdict is a line of `layerlab verify --json`.
type verdict struct {
	Image   string            `json:"image"`
	Refs    []string          `json:"refs"`
	OK      bool              `json:"ok"`
	Code    string            `json:"code,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
	Message string            `json:"message,omitempty"`
}

// verify says whether all is as claimed.
func (r *run) verify() (bool, error) {
	a := r.archives[0]
	which, err := choose.All(a.Report().Images, r.Choice)
	if err != nil {
		return false, err
	}
	all := true
	enc := r.encoder()
	for _, n := range which {
		v, err := r.verifyImage(a, n)
		if err != nil {
			return false, err
		}
		all = all && v.OK
		if r.JSON {
			err = enc.Encode(v)
		} else {
			word := "ok"
			if !v.OK {
				word = diff.Quote(v.Message)
			}
			_, err = fmt.Fprintf(r.out, "%s: %s\n", v.Image, word)
		}
		if err != nil {
			return false, err
		}
	}
	return all, nil
}

// verifyImage checks one image. A mismatch is an answer; other errors are
// errors.
func (r *run) verifyImage(a *archive.Archive, n int) (verdict, error) {
	image := &a.Report().Images[n]
	v := verdict{Image: image.ID.String(), Refs: image.Refs, OK: true}
	err := a.Verify(r.ctx, n, r.ctx.Err)
	if e, ok := errors.AsType[*imagecore.Error](err); ok && (e.Code == "digest-mismatch" || e.Code == "size-mismatch") {
		v.OK, v.Code, v.Args, v.Message = false, e.Code, e.Args, e.Error()
		return v, nil
	}
	for i := range image.V1 {
		if err != nil || !image.Layers[i].Present {
			continue
		}
		got, serr := checksum(r.ctx, a, n, i, image.Layers[i].DiffID) // which is verified
		if want := image.V1[i].Checksum; serr == nil && got != "" && got.String() != want {
			v.OK, v.Code, v.Args = false, "checksum-mismatch", imagecore.Args("what", "the checksum", "want", want, "got", got.String())
			v.Message = fmt.Sprintf("layer %d: the layer's tar has another checksum than its JSON of version 1 claims: %s is claimed, %s is there", i, want, got)
			return v, nil
		}
		err = serr
	}
	return v, err
}
