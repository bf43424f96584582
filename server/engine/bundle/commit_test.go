package bundle_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/server/engine/bundle"
)

func TestCommitKeepsWhatItDoesNotKnow(t *testing.T) {
	parent := `{"architecture":"amd64","os":"linux","author":"old","container":"gone","container_config":{"Cmd":["x"]},
		"config":{"Cmd":["old"],"Entrypoint":["/e"],"Env":["A=1","B=2"],"Healthcheck":{"Test":["NONE"]},"OnBuild":["RUN a"],"User":"ada"},
		"history":[{"created_by":"first"}],"rootfs":{"type":"layers","diff_ids":["sha256:aa"]},"x-own":{"k":[1,2]}}`
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	raw, err := bundle.Commit([]byte(parent), bundle.Committed{
		Command: []string{"new"}, Env: []string{"A=9", "B"}, Ran: []string{"/e", "new"},
		Author: "ada <ada@example.org>", Message: "why", At: at,
		Changes: []string{`ENV C="x y" D=z`, "EXPOSE 80 53/udp", `CMD ["run","it"]`, "WORKDIR srv", "LABEL k=v", "ONBUILD RUN b", "VOLUME /v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["container"] != nil || doc["container_config"] != nil || doc["x-own"] == nil || doc["author"] != "ada <ada@example.org>" {
		t.Errorf("document %s", raw)
	}
	config := doc["config"].(map[string]any)
	if config["Healthcheck"] == nil || len(config["OnBuild"].([]any)) != 2 {
		t.Errorf("config %v", config)
	}
	var image v1.Image
	if err := json.Unmarshal(raw, &image); err != nil {
		t.Fatal(err)
	}
	want := v1.ImageConfig{
		User: "ada", Entrypoint: []string{"/e"}, Cmd: []string{"run", "it"}, WorkingDir: "/srv",
		Env:          []string{"A=9", "C=x y", "D=z"},
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}},
		Volumes:      map[string]struct{}{"/v": {}}, Labels: map[string]string{"k": "v"},
	}
	if diff := cmp.Diff(want, image.Config); diff != "" {
		t.Errorf("config -want +got:\n%s", diff)
	}
	last := image.History[len(image.History)-1]
	if len(image.History) != 2 || last.CreatedBy != "/e new" || last.Comment != "why" || !last.Created.Equal(at) || last.EmptyLayer {
		t.Errorf("history %+v", image.History)
	}
}

func TestCommitRefusesBadChanges(t *testing.T) {
	for _, line := range []string{"RUN make", "ENV", "ENV A", `LABEL a="b`, "EXPOSE 80/icmp", "EXPOSE x"} {
		_, err := bundle.Commit([]byte(`{"config":null}`), bundle.Committed{Changes: []string{line}})
		wantCode(t, err, "bad-change")
		if err != nil && !strings.Contains(err.Error(), "change") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
