//go:build linux

package engine_test

import (
	"errors"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestContainersThatRemoveThemselvesTellTheirExit(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["run"]}}`)
	c, err := l.CreateWith(t.Context(), wire.CreateContainer{Image: "lab:1"}, engine.Settings{AutoRemove: true, Labels: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	removed, err := l.Await(t.Context(), c.ID, engine.Removed)
	if err != nil {
		t.Fatal(err)
	}
	next, err := l.Await(t.Context(), c.ID, engine.NextExit)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := l.Detail(t.Context(), c.ID); err != nil || d.Settings.Labels["a"] != "b" || d.Hostname != c.ID[:12] {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := l.Start(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	l.shims.one(t).end(7, 0)
	for what, wait := range map[string]func() (wire.Container, error){
		"removed": func() (wire.Container, error) { return removed(t.Context()) },
		"exit":    func() (wire.Container, error) { return next(t.Context()) },
	} {
		if got, err := wait(); err != nil || got.ExitCode == nil || *got.ExitCode != 7 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	if _, err := l.Get(t.Context(), c.ID); !errors.Is(err, imagecore.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
}

func TestAFailedStartEndsThoseWhoWait(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["run"]}}`)
	c := l.create()
	w, err := l.AttachNext(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	next, err := l.Await(t.Context(), c.ID, engine.NextExit)
	if err != nil {
		t.Fatal(err)
	}
	l.shims.refuse = imagecore.NewError(imagecore.ErrNotFound, "command-not-found", "no such command")
	if _, err := l.Start(t.Context(), c.ID); err == nil {
		t.Fatal("it starts")
	}
	if _, err := w.Stream(); !errors.Is(err, imagecore.ErrNotFound) {
		t.Errorf("the viewer hears %v", err)
	}
	if got, err := next(t.Context()); err != nil || *got.ExitCode != 127 {
		t.Errorf("%+v, %v", got, err)
	}
}
