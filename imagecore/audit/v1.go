package audit

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
)

// Field is a field of an image's JSON of version 1 and what it means.
type Field struct {
	Name  string          `json:"name"` // "config.Env" within config
	Value json.RawMessage `json:"value"`
	Means string          `json:"means"`
}

// meanings are the fields of Docker's image specification v1.0 ("Image JSON
// Description"), in its order, and those that Docker wrote beyond it.
func meanings() [][2]string {
	return [][2]string{
		{"id", "names the image and its folder; 256 random bits before Docker 1.10, a digest since"},
		{"parent", "id of the image beneath; absent for the base"},
		{"created", "when it was made"},
		{"author", "who made it, from MAINTAINER or commit -a"},
		{"architecture", "processor that its programs need"},
		{"os", "kernel that its programs need"},
		{"checksum", "digest of what the layer's tar says (a tarsum), or of its bytes"},
		{"Size", "bytes of the layer's files; the layers beneath do not count"},
		{"config", "how a container of it is run"},
		{"config.User", "user, or user:group, that the program runs as; empty: root"},
		{"config.Memory", "bytes of memory at most; 0: no limit"},
		{"config.MemorySwap", "bytes of memory and swap together at most; -1: no limit"},
		{"config.CpuShares", "share of the processor beside other containers; 0: the default, 1024"},
		{"config.ExposedPorts", "ports that it listens on; nothing is published by this"},
		{"config.Env", "environment variables, NAME=VALUE"},
		{"config.Entrypoint", "program and first arguments; what run is given is added to them"},
		{"config.Cmd", "arguments of the entrypoint, or the program where there is none; run replaces them"},
		{"config.Volumes", "folders that get a volume of their own, outside the layers"},
		{"config.WorkingDir", "folder in which the program starts"},
		// Beyond the specification.
		{"comment", "the message of commit -m"},
		{"container", "id of the container that was committed"},
		{"container_config", "config of that container; its Cmd is the command of the history"},
		{"docker_version", "Docker that made it"},
		{"layer_id", "chainID of the layers up to it: hashed for the id, never written by Docker"},
		{"parent_id", "parent, as a digest, since Docker 1.10"},
		{"throwaway", "of an image that left no layer, since Docker 1.10"},
		{"config.Hostname", "name of the container that was committed; run makes a new one"},
		{"config.Domainname", "domain of that container"},
		{"config.AttachStdin", "of the container that was committed; run decides anew"},
		{"config.AttachStdout", "of the container that was committed; run decides anew"},
		{"config.AttachStderr", "of the container that was committed; run decides anew"},
		{"config.PortSpecs", "what ExposedPorts was in Docker 0.6"},
		{"config.Tty", "of the container that was committed; run decides anew"},
		{"config.OpenStdin", "of the container that was committed; run decides anew"},
		{"config.StdinOnce", "of the container that was committed; run decides anew"},
		{"config.Image", "image that the step began from"},
		{"config.Cpuset", "processors that it may run on; empty: all"},
		{"config.NetworkDisabled", "no network but loopback"},
		{"config.MacAddress", "of its network card"},
		{"config.OnBuild", "instructions that a build from this image runs first"},
		{"config.Labels", "names and values that tools put there, since Docker 1.6"},
		{"config.SecurityOpt", "labels of SELinux or profiles"},
		{"config.VolumesFrom", "containers whose volumes it had"},
		{"config.Dns", "name servers"},
		{"config.ArgsEscaped", "of Windows images: Cmd is one escaped command line"},
		{"config.Healthcheck", "command that says whether the container is well, since Docker 1.12"},
		{"config.StopSignal", "signal that stops it, since Docker 1.9"},
		{"config.Shell", "program that runs RUN and CMD in their shell form, since Docker 1.12"},
	}
}

// V1Fields takes an image's JSON of version 1 apart: the fields that the
// specification has in its order, then the others in theirs. What is no JSON
// object gives none.
func V1Fields(raw string) []Field {
	top := members([]byte(raw))
	inner := members(top["config"])
	all := map[string]json.RawMessage{}
	for name, v := range top {
		if name != "config" || len(inner) == 0 {
			all[name] = v
		}
	}
	for name, v := range inner {
		all["config."+name] = v
	}
	var fields []Field
	for _, m := range meanings() {
		if v, ok := all[m[0]]; ok {
			fields = append(fields, Field{m[0], v, m[1]})
			delete(all, m[0])
		}
	}
	var rest []Field
	for name, v := range all {
		rest = append(rest, Field{name, v, "no field of the specification"})
	}
	slices.SortFunc(rest, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return append(fields, rest...)
}

// members are those of a JSON object, nil of anything else.
func members(raw json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

// v1ID returns the string whose digest Docker 1.10 and later made the id of an
// image of version 1: its JSON without id, keys sorted, with the chainID as
// layer_id and the parent as a digest (moby image/v1 CreateID). ok is false
// where the id is not that digest.
func v1ID(v imagecore.V1, parent string, chain digest.Digest) (hashed string, ok bool) {
	m := members(json.RawMessage(v.Raw))
	if m == nil {
		return "", false
	}
	delete(m, "id")
	delete(m, "parent")
	set := func(name, value string) {
		b, err := json.Marshal(value)
		if err == nil {
			m[name] = b
		}
	}
	set("layer_id", chain.String())
	if parent != "" {
		set("parent", "sha256:"+parent)
	}
	// Docker adds os to all but the last image after it has hashed them.
	for range 2 {
		b, err := json.Marshal(m)
		if err != nil {
			return "", false
		}
		if digest.FromBytes(b).Encoded() == v.ID {
			return string(b), true
		}
		delete(m, "os")
	}
	return "", false
}

// v1Steps are the id and the checksum of layer i's image of version 1.
func v1Steps(img *imagecore.Image, i int, read Bytes) []Step {
	v := img.V1[i]
	parent := ""
	if i > 0 {
		parent = img.V1[i-1].ID
	}
	var steps []Step
	if id := digest.NewDigestFromEncoded(digest.SHA256, v.ID); id.Validate() == nil {
		s := Step{What: StepV1ID, Layer: &img.Layers[i].Index, Claimed: id, ClaimedBy: "the name of the folder"}
		if hashed, ok := v1ID(v, parent, img.Layers[i].ChainID); ok {
			s.Hashed, s.Literal, s.Size, s.Computed = hashed, true, int64(len(hashed)), id
		} else {
			s.Hashed = "nothing that is here: before Docker 1.10 ids were drawn at random, and other tools make their own"
		}
		steps = append(steps, s)
	}
	if v.Checksum != "" {
		steps = append(steps, Step{
			What: StepChecksum, Layer: &img.Layers[i].Index, Hashed: "the sorted digests of the tar's entries", Size: img.Layers[i].TarSize,
			Claimed: digest.Digest(v.Checksum), ClaimedBy: "the image's JSON", Computed: read.Checksum,
		})
		if !strings.HasPrefix(v.Checksum, "tarsum") {
			steps[len(steps)-1].Hashed = "the uncompressed tar"
		}
	}
	return steps
}
