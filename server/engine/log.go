//go:build linux

package engine

import (
	"encoding/json"
	"maps"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/logging"
)

// logTo says how the shim is to keep a container's log; config is its image's.
func logTo(o *shim.Options, rec record, spec *specs.Spec, config []byte) error {
	l := rec.Request.Log
	if l == nil {
		return nil
	}
	if l.Driver == logging.None {
		o.Log = ""
		return nil
	}
	about := logging.About{ID: rec.ID, Name: rec.Name, Image: rec.ImageRef, ImageID: rec.Image.String(), Labels: map[string]string{}}
	var img v1.Image
	if err := json.Unmarshal(config, &img); err != nil {
		return err
	}
	maps.Copy(about.Labels, img.Config.Labels)
	maps.Copy(about.Labels, rec.Settings.Labels)
	if spec.Process != nil {
		about.Env = spec.Process.Env
	}
	var err error
	o.LogLimits.MaxSize, o.LogLimits.MaxFile = logging.Rotation(l)
	o.LogLimits.Attrs, err = logging.Attributes(l, about)
	return err
}
