package archive

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// An image of version 1 has no config. Docker 1.10 to 24 make one when they load
// it (moby v20.10 image/v1 "MakeConfigFromV1Config"), and its digest is the id
// that they show. So the bytes have to be theirs: the top image's JSON without
// what it says of its place in the chain, its keys sorted. What Dockers before
// 1.8.3 wrote is passed through a Go struct first, which drops members that are
// not in it (checksum; Memory and CpuShares in config) and adds those that are
// never left out.

// v1Whole is that struct. The order of its members is none of ours: keys are
// sorted at this level.
type v1Whole struct {
	Comment         string    `json:"comment,omitempty"`
	Created         time.Time `json:"created"`
	Container       string    `json:"container,omitempty"`
	ContainerConfig v1Config  `json:"container_config"`
	DockerVersion   string    `json:"docker_version,omitempty"`
	Author          string    `json:"author,omitempty"`
	Config          *v1Config `json:"config,omitempty"`
	Architecture    string    `json:"architecture,omitempty"`
	Variant         string    `json:"variant,omitempty"`
	OS              string    `json:"os,omitempty"`
}

// v1Config are the settings of a container, in the order in which Docker 20.10
// writes them.
type v1Config struct {
	Hostname        string
	Domainname      string
	User            string
	AttachStdin     bool
	AttachStdout    bool
	AttachStderr    bool
	ExposedPorts    map[string]struct{} `json:",omitempty"`
	Tty             bool
	OpenStdin       bool
	StdinOnce       bool
	Env             []string
	Cmd             argv
	Healthcheck     *v1Health `json:",omitempty"`
	ArgsEscaped     bool      `json:",omitempty"`
	Image           string
	Volumes         map[string]struct{}
	WorkingDir      string
	Entrypoint      argv
	NetworkDisabled bool   `json:",omitempty"`
	MacAddress      string `json:",omitempty"`
	OnBuild         []string
	Labels          map[string]string
	StopSignal      string `json:",omitempty"`
	StopTimeout     *int   `json:",omitempty"`
	Shell           argv   `json:",omitempty"`
}

type v1Health struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// argv is a command line; one string is one word.
type argv []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *argv) UnmarshalJSON(b []byte) error {
	var all []string
	err := json.Unmarshal(b, &all)
	if err != nil {
		var one string
		if json.Unmarshal(b, &one) != nil {
			return err
		}
		all = []string{one}
	}
	*w = all
	return nil
}

// v1History is an entry of such a config's history: the time is never left out.
type v1History struct {
	Created   time.Time `json:"created"`
	Author    string    `json:"author,omitempty"`
	CreatedBy string    `json:"created_by,omitempty"`
	Comment   string    `json:"comment,omitempty"`
}

// v1Loaded is the config that Docker makes of the top of a stack.
func v1Loaded(path string, stack []v1Layer, diffIDs map[*blob]digest.Digest) ([]byte, error) {
	top := stack[len(stack)-1]
	document := top.raw
	if before(top.DockerVersion, "1.8.3") {
		var whole v1Whole
		if err := decode(path, document, &whole); err != nil {
			return nil, err
		}
		var err error
		if document, err = json.Marshal(whole); err != nil {
			return nil, err
		}
	}
	var fields map[string]json.RawMessage
	if err := decode(path, document, &fields); err != nil {
		return nil, err
	}
	for _, name := range []string{"id", "parent", "Size", "parent_id", "layer_id", "throwaway"} {
		delete(fields, name)
	}
	rootfs := struct {
		Type    string          `json:"type"`
		DiffIDs []digest.Digest `json:"diff_ids"`
	}{Type: "layers"}
	var history []v1History
	for _, l := range stack {
		rootfs.DiffIDs = append(rootfs.DiffIDs, diffIDs[l.blob])
		history = append(history, v1History{Created: l.Created, Author: l.Author, CreatedBy: strings.Join(l.ContainerConfig.Cmd, " "), Comment: l.Comment})
	}
	for name, value := range map[string]any{"rootfs": rootfs, "history": history} {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fields[name] = raw
	}
	return json.Marshal(fields)
}

// before compares versions as Docker does: number by number, what is no number
// counts as 0.
func before(version, other string) bool {
	a, b := strings.Split(version, "."), strings.Split(other, ".")
	for i := range max(len(a), len(b)) {
		var x, y int
		if i < len(a) {
			x, _ = strconv.Atoi(a[i])
		}
		if i < len(b) {
			y, _ = strconv.Atoi(b[i])
		}
		if x != y {
			return x < y
		}
	}
	return false
}
