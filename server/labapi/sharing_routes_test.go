package labapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// fakeShares has one share, s1, whose secret is "s1.good".
type fakeShares struct{ labapi.Shares }

func (fakeShares) List(context.Context) (wire.ShareList, error) {
	return wire.ShareList{Shares: []wire.Share{{ID: "s1"}}}, nil
}

func (fakeShares) Redeem(_ context.Context, secret string) (wire.SharedTerminal, error) {
	if secret != "s1.good" {
		return wire.SharedTerminal{}, imagecore.NewError(imagecore.ErrNotFound, "share-over", "over")
	}
	return wire.SharedTerminal{ID: "s1", Role: wire.RoleViewer}, nil
}

func (fakeShares) Serve(w http.ResponseWriter, _ *http.Request, _ string) {
	w.WriteHeader(http.StatusOK)
}

func TestASecretIsGoodForATicketOfItsTerminalAlone(t *testing.T) {
	b := setUp(t)
	post := func(body string) *httptest.ResponseRecorder { return b.do(http.MethodPost, "/shared", body) }
	if w := post(`{"secret":"s1.good"}`); w.Code != 201 || !strings.Contains(w.Body.String(), `"ticket":"ticket for /api/v1/shared/s1"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post(`{"secret":"s1.bad"}`); w.Code != 404 || !strings.Contains(w.Body.String(), "share-over") || strings.Contains(w.Body.String(), "ticket") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(b.log.String(), "s1.") {
		t.Errorf("a secret is in the log: %s", b.log)
	}
}
