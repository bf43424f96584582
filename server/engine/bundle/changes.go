package bundle

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/health"
)

// ApplyChanges applies Dockerfile lines to a config, those that docker commit
// --change takes: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL
// USER VOLUME WORKDIR. HEALTHCHECK and ONBUILD, which image-spec does not know, go
// to extra.
// Errors have the code bad-change with the line.
func ApplyChanges(config *v1.ImageConfig, extra map[string]json.RawMessage, lines []string) error {
	for _, line := range lines {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if err := applyChange(config, extra, strings.ToUpper(word), rest); err != nil {
			return imagecore.NewError(imagecore.ErrInvalid, "bad-change",
				fmt.Sprintf("change %q: %s", line, err), "change", line)
		}
	}
	return nil
}

func applyChange(config *v1.ImageConfig, extra map[string]json.RawMessage, word, rest string) error {
	if rest == "" {
		return fmt.Errorf("write an instruction and its value")
	}
	switch word {
	case "CMD":
		config.Cmd = execForm(rest)
	case "ENTRYPOINT":
		config.Entrypoint = execForm(rest)
	case "USER":
		config.User = rest
	case "STOPSIGNAL":
		config.StopSignal = rest
	case "WORKDIR":
		if !path.IsAbs(rest) {
			rest = path.Join("/", config.WorkingDir, rest)
		}
		config.WorkingDir = path.Clean(rest)
	case "ENV":
		pairs, err := keyValues(rest)
		for _, p := range pairs {
			config.Env = set(append([]string{}, config.Env...), p[0]+"="+p[1], true)
		}
		return err
	case "LABEL":
		pairs, err := keyValues(rest)
		labels := map[string]string{}
		for k, v := range config.Labels {
			labels[k] = v
		}
		for _, p := range pairs {
			labels[p[0]] = p[1]
		}
		config.Labels = labels
		return err
	case "EXPOSE":
		ports, err := ports(rest)
		config.ExposedPorts = union(config.ExposedPorts, ports)
		return err
	case "VOLUME":
		volumes := strings.Fields(rest)
		var list []string
		if json.Unmarshal([]byte(rest), &list) == nil {
			volumes = list
		}
		config.Volumes = union(config.Volumes, volumes)
	case "HEALTHCHECK":
		check, err := health.Parse(rest)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(check)
		extra["Healthcheck"] = raw
		return err
	case "ONBUILD":
		var triggers []string
		if raw, ok := extra["OnBuild"]; ok {
			if err := json.Unmarshal(raw, &triggers); err != nil {
				return err
			}
		}
		raw, err := json.Marshal(append(triggers, rest))
		extra["OnBuild"] = raw
		return err
	default:
		return fmt.Errorf("%s is not one of CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR", word)
	}
	return nil
}

// execForm reads a JSON array, or a line for the shell.
func execForm(rest string) []string {
	var list []string
	if json.Unmarshal([]byte(rest), &list) == nil {
		return list
	}
	return []string{"/bin/sh", "-c", rest}
}

// keyValues reads `k=v k2="v 2"`, or the old form `k v with spaces`.
func keyValues(rest string) ([][2]string, error) {
	words, err := split(rest)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(words[0], "=") {
		key, value, ok := strings.Cut(rest, " ")
		if !ok {
			return nil, fmt.Errorf("write it as KEY=value")
		}
		return [][2]string{{key, strings.TrimSpace(value)}}, nil
	}
	var pairs [][2]string
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q: write it as KEY=value", w)
		}
		pairs = append(pairs, [2]string{key, value})
	}
	return pairs, nil
}

// split cuts at spaces; quotes and backslashes keep what they keep in a shell.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote byte
	began := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			word.WriteByte(s[i])
			began = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, began = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if began {
				words = append(words, word.String())
				word.Reset()
				began = false
			}
		default:
			word.WriteByte(c)
			began = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quotation mark is not closed")
	}
	if began {
		words = append(words, word.String())
	}
	return words, nil
}

func ports(rest string) ([]string, error) {
	var list []string
	for _, p := range strings.Fields(rest) {
		number, proto, has := strings.Cut(p, "/")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 65535 || has && proto != "tcp" && proto != "udp" && proto != "sctp" {
			return nil, fmt.Errorf("port %q: write it as 80 or 53/udp", p)
		}
		if !has {
			p += "/tcp"
		}
		list = append(list, p)
	}
	return list, nil
}

func union(have map[string]struct{}, more []string) map[string]struct{} {
	all := map[string]struct{}{}
	for k := range have {
		all[k] = struct{}{}
	}
	for _, k := range more {
		all[k] = struct{}{}
	}
	return all
}
