//go:build linux && compare

package compare

import (
	"regexp"
	"strings"
	"testing"
)

// masks hide what differs between two runs of one engine.
var masks = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?([+-]\d\d:?\d\d|Z))?( UTC)?`), "TIME"},
	{regexp.MustCompile(`(sha256:)?\b[0-9a-f]{64}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`\b(Less than a second|About an? (minute|hour)|\d+ (second|minute|hour|day|week|month|year)s?)( ago)?`), "AGO"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(e[+-]\d+)?([kKMGT]i?)?B\b`), "SIZE"},
	{regexp.MustCompile(`\b\d+(\.\d+)?%`), "PERCENT"},
	{regexp.MustCompile(`\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b`), "MAC"},
	{regexp.MustCompile(`\b(10|172|192)(\.\d+){3}(/\d+)?\b`), "ADDRESS"},
	{regexp.MustCompile(`\b(3[2-9]|[45]\d|60)\d{3}\b`), "PORT"}, // ip_local_port_range, ip(7)
	{regexp.MustCompile(`  +`), "  "},
	{regexp.MustCompile(`--+`), "--"},
}

// masked hides what differs by chance and the engine's own folder.
func (a answer) masked(e *engine) answer {
	hide := func(s string) string {
		s = strings.ReplaceAll(s, e.folder, "FOLDER")
		s = strings.ReplaceAll(s, strings.TrimSuffix(e.folder, "/w"), "ENGINE")
		for _, m := range masks {
			s = m.what.ReplaceAllString(s, m.as)
		}
		var b strings.Builder
		for line := range strings.Lines(s) { // tables are padded to their widest cell
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
		return b.String()
	}
	a.out, a.err = hide(a.out), hide(a.err)
	return a
}

func TestMasksHideChanceAndNothingElse(t *testing.T) {
	e := &engine{folder: "/tmp/lld-1/w"}
	for text, want := range map[string]string{
		"2b1b0c3c5a9e   lab:1   Up 3 seconds   0.0.0.0:32768->80/tcp":      "ID  lab:1  Up AGO  0.0.0.0:PORT->80/tcp\n",
		"Created: 2026-01-02T03:04:05.678901234Z x":                        "Created: TIME x\n",
		"80/tcp -> 127.0.0.1:60999":                                        "80/tcp -> 127.0.0.1:PORT\n",
		"1.23MB (virtual 4kB) and 0B":                                      "SIZE (virtual SIZE) and SIZE\n",
		"/tmp/lld-1/w/file at /tmp/lld-1/root":                             "FOLDER/file at ENGINE/root\n",
		"exit 137, port 8080, mode 0755":                                   "exit 137, port 8080, mode 0755\n",
		"inet 172.17.0.2/16 02:42:ac:11:00:02":                             "inet ADDRESS MAC\n",
		"About a minute ago, Less than a second, Exited (0) 2 minutes ago": "AGO, AGO, Exited (0) AGO\n",
	} {
		if got := (answer{out: text}).masked(e).out; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
