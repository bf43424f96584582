package guest_test

import (
	"encoding/json"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/audit/ci"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// A file that is written again for its mode, and one that the next layer deletes.
func wasteful() []byte {
	return imagetest.One(imagetest.DockerSave, imagetest.MustParse(`
-- layer --
f tool "1234567890"
f kept "12345"
-- layer --
f tool mode=0755 "1234567890"
f cache "1234567"
-- layer --
f .wh.cache ""
`)).Bytes()
}

func ask[T any](t *testing.T, g *guest.Guest, h *host, kind guest.Kind, request any) T {
	t.Helper()
	h.emitted = nil
	b, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if g.Run(b) != 0 || len(h.emitted[kind]) != 1 {
		t.Fatalf("%s: %q", b, h.emitted)
	}
	var out T
	if err := json.Unmarshal(h.emitted[kind][0], &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnAccountHasTheVerdictAndWhatMergingSaves(t *testing.T) {
	h := &host{archive: wasteful()}
	g := guest.New(h)
	if g.Run(survey(len(h.archive))) != 0 {
		t.Fatalf("%s", h.emitted[guest.KindError])
	}
	a := ask[account.Account](t, g, h, guest.KindAccount, guest.AccountRequest{Op: "account"})
	if a.Pass || len(a.Rules) != 3 || a.Rules[0].Rule != ci.LowestEfficiency || a.Rules[0].Status != ci.Fail {
		t.Errorf("the verdict is %v %+v", a.Pass, a.Rules)
	}
	if a.Bytes != 32 || a.Wasted != 17 || a.Hidden != 7 || a.Replaced != 10 || a.Compared {
		t.Errorf("%+v", a)
	}
	if len(a.Merges) != 2 || a.Merges[0] != (account.Merge{Layer: 0, Bytes: 10}) || a.Merges[1] != (account.Merge{Layer: 1, Bytes: 7}) {
		t.Errorf("merges %+v", a.Merges)
	}
	a = ask[account.Account](t, g, h, guest.KindAccount, guest.AccountRequest{Op: "account", Contents: true})
	if !a.Compared || a.Duplicated != 10 || a.Replaced != 0 || len(a.Same) != 1 || a.Same[0] != (account.Same{Path: "tool", By: 1, Bytes: 10}) {
		t.Errorf("compared: %+v", a)
	}
}

func TestAnAccountNeedsASurveyAndAnImage(t *testing.T) {
	h := &host{archive: wasteful()}
	g := guest.New(h)
	if g.Run([]byte(`{"op":"account"}`)) == 0 || h.failure(t).Code != "bad-request" {
		t.Error("an account without a survey")
	}
	g.Run(survey(len(h.archive)))
	h.emitted = nil
	if g.Run([]byte(`{"op":"account","image":7}`)) == 0 || h.failure(t).Code != "image-not-found" {
		t.Error("an account of an image that is not there")
	}
}

func TestADockerfileBesideAHistory(t *testing.T) {
	h := &host{}
	var history []imagecore.History
	if err := json.Unmarshal([]byte(`[{"created_by":"ADD base / # buildkit","layer":0},{"created_by":"ENV A=b","empty_layer":true},{"created_by":"RUN /bin/sh -c make # buildkit","layer":1}]`), &history); err != nil {
		t.Fatal(err)
	}
	lines := ask[[]imagecore.Line](t, guest.New(h), h, guest.KindLines, guest.DockerfileRequest{Op: "dockerfile", Text: "FROM x\nENV A=b\nRUN make\n", History: history})
	if len(lines) != 3 || lines[1].Layer != nil || lines[2].Layer == nil || *lines[2].Layer != 1 {
		t.Errorf("%+v", lines)
	}
	h.emitted = nil
	if guest.New(h).Run([]byte(`{"op":"dockerfile","text":"no Dockerfile"}`)) == 0 {
		t.Error("what is no Dockerfile was read")
	}
}
