// Package activity keeps what the server was asked lately and what it did for
// that, so that the page can show what stands behind `docker run`.
//
//	dockerapi, labapi → Recorder.Begin(ctx) → Call in the context
//	engine, adapters  → Of(ctx).Image, .Container, .Mounted, .Traced, .Did
//	event bus         → Recorder.Event → the calls that are about the same thing
//	Call.End          → page (event "activity"), GET /api/v1/activity
//
// It is no log: a bounded number of calls is kept in memory, those that change
// something apart from those that only look, so that a client that asks for
// the list each second does not push out what people did. Nothing here can
// fail or hold up who records: a Call that is nil, as in a context without
// one, takes everything and keeps nothing.
//
//	ctx, call := recorder.Begin(ctx, activity.Request{By: wire.ByDocker, Verb: "start", …})
//	defer func() { call.End(status, message) }()
//	…
//	activity.Of(ctx).Image("lab:1", "sha256:…")
package activity
