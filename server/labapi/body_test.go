package labapi

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// patientRecorder notes the deadlines of a connection that is not there.
type patientRecorder struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (p *patientRecorder) SetReadDeadline(t time.Time) error {
	p.deadlines = append(p.deadlines, t)
	return nil
}

func TestABodyHasADeadlineOnlyWhileItIsRead(t *testing.T) {
	for _, text := range []string{`{"code":"x"}`, `{"code":`, ``} {
		w := &patientRecorder{ResponseRecorder: httptest.NewRecorder()}
		c := echo.New().NewContext(httptest.NewRequest("POST", "/", strings.NewReader(text)), w)
		before := time.Now()
		_, err := body[wire.SessionRequest](c)
		if (err != nil) != (text == `{"code":`) {
			t.Errorf("%q: %v", text, err)
		}
		if len(w.deadlines) != 2 || w.deadlines[0].Before(before) || w.deadlines[0].After(time.Now().Add(bodyTime)) || !w.deadlines[1].IsZero() {
			t.Errorf("%q: deadlines %v", text, w.deadlines)
		}
	}
}
