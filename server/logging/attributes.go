package logging

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"text/template"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// About is what is known of a container that writes a log.
type About struct {
	ID, Name       string // whole; without a slash
	Image, ImageID string // as the creator wrote it; "sha256:…"
	Labels         map[string]string
	Env            []string // "KEY=value"
}

// Attributes are what stands beside each line of a log: the labels and variables
// that were asked for, and the tag. nil for none.
func Attributes(l *wire.LogLimits, a About) (map[string]string, error) {
	if l == nil {
		return nil, nil
	}
	env := map[string]string{}
	for _, e := range a.Env {
		if key, value, ok := strings.Cut(e, "="); ok {
			env[key] = value
		}
	}
	out := map[string]string{}
	chosen(out, a.Labels, l.Labels, l.LabelsRegex)
	chosen(out, env, l.Env, l.EnvRegex)
	tag, err := tagOf(l.Tag, a)
	if err != nil {
		return nil, err
	}
	if tag != "" {
		out["tag"] = tag
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// chosen adds those of from whose key is in a list, or matches.
func chosen(out, from map[string]string, keys, matching string) {
	for key := range strings.SplitSeq(keys, ",") {
		if value, ok := from[key]; ok {
			out[key] = value
		}
	}
	if matching == "" {
		return
	}
	pattern, err := regexp.Compile(matching)
	if err != nil {
		return // Read has refused it
	}
	for key, value := range from {
		if pattern.MatchString(key) {
			out[key] = value
		}
	}
}

// tagOf fills the template of option tag in.
func tagOf(text string, a About) (string, error) {
	t, err := template.New("log-tag").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"split": strings.Split, "join": strings.Join, "lower": strings.ToLower, "upper": strings.ToUpper,
	}).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	if tree := t.Root.String(); strings.Contains(tree, "{{range") || strings.Contains(tree, "{{template") {
		// A number of 20 digits to range over would keep the server busy for years.
		return "", errors.New("template: log-tag: range and template are not served by layerlab")
	}
	var out strings.Builder
	err = t.Execute(&out, map[string]any{
		"ID": short(a.ID), "FullID": a.ID, "Name": a.Name,
		"ImageID": short(strings.TrimPrefix(a.ImageID, "sha256:")), "ImageFullID": a.ImageID, "ImageName": a.Image,
		"DaemonName": "docker",
	})
	return out.String(), err
}

func short(id string) string { return id[:min(12, len(id))] }
